"""The report as one HTML page that needs nothing else: no network, no script."""

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from streams import commands
from streams.verify import plots, report
from streams.verify.markup import Markup, join, tag
from streams.verify.result import Played, Result
from streams.verify.timing import Course

#: So many rounds of a scenario are drawn.
DRAWN = 12
HEADINGS = ("scenario", "", "events", "pairs", "lost", "wrong", "unaccounted", "duplicates / bound", "early",
            "lateness p50 / p99 ms", "stall s", "drain s", "time s")  # fmt: skip


def expect_writable(path: Path) -> None:
    """Better now than when an hour of verification is over. Raises Unusable."""
    try:
        path.open("a").close()
    except OSError as error:
        raise commands.Unusable(f"{path}: can't be written: {error.strerror}") from None


def write(path: Path, played: Played) -> None:
    path.write_text(page(played), encoding="utf-8")


def page(played: Played) -> str:
    """The whole page. Whatever events and destinations said is escaped: `streams.verify.markup`."""
    style = Markup(resources.files("streams.verify").joinpath("page.css").read_text(encoding="utf-8"))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"distributary verify: {_word(played)}"),
        tag("style", style),
    )
    body = tag(
        "body", *_verdict(played), *_table(played), *_figures(played), *_each(played), *_repeat(played)
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


# -- at the top ------------------------------------------------------------------------------------


def _verdict(played: Played) -> Iterator[Markup]:
    failed = played.failed
    told = f"Failed: {', '.join(failed)}." if failed else ""
    yield tag(
        "header",
        tag("h1", f"distributary verify: {_word(played)}", class_="good" if played.passed else "bad"),
        tag("p", told or "Every event came to the end that it should, wherever the work was broken off."),
        tag("p", tag("code", report.repeat(played)), class_="soft") if failed else "",
        class_="verdict" if played.passed else "verdict failed",
    )
    results = played.results
    rounds = max((result.rounds for result in results), default=0)
    counts = [
        ("scenarios", f"{len(results):,}" + (f", {rounds} rounds" if rounds > 1 else "")),
        ("event-destination pairs", f"{played.pairs:,}"),
        ("lost", f"{played.lost:,}"),
        ("wrong", f"{sum(result.astray for result in results):,}"),
        ("unaccounted", f"{sum(result.unaccounted for result in results):,}"),
        ("early", f"{sum(result.early for result in results):,}"),
        ("duplicates, and their bound", "{:,} / {:,}".format(*_repeats(results))),
        ("faults that interrupt work", f"{sum(len(result.strikes) for result in results):,}"),
        ("time", _duration(played.took_s)),
    ]
    tiles = (
        tag("div", tag("b", value), tag("span", name, class_="soft"), class_="tile") for name, value in counts
    )
    yield tag("div", *tiles, class_="tiles")


def _word(played: Played) -> str:
    return "passed" if played.passed else "FAILED" if played.results else "nothing was played"


def _repeats(results: Sequence[Result]) -> tuple[int, int]:
    return sum(result.duplicates for result in results), sum(result.bound for result in results)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


# -- all scenarios ---------------------------------------------------------------------------------


def _table(played: Played) -> Iterator[Markup]:
    yield tag("h2", "Scenarios")
    head = tag("tr", *(tag("th", heading, scope="col") for heading in HEADINGS))
    rows = [_row(result) for result in played.results]
    yield tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="wide")
    for name, why in played.left_out.items():
        yield tag("p", f"{name}: left out: {why}", class_="soft")
    legend = report.LEGEND.replace("twice", "duplicates")
    words = (line.split(maxsplit=1) for line in legend.splitlines())
    told = (tag(kind, text) for pair in words for kind, text in zip(("dt", "dd"), pair, strict=True))
    yield tag("dl", *told, class_="soft")


def _row(result: Result) -> Markup:
    verdict = tag("td", "passed" if result.passed else "FAILED", class_="good" if result.passed else "bad")
    late = report.lateness([result])
    tiers = [f"{tier} {spread.percentile(0.5)} / {spread.percentile(0.99)}" for tier, spread in late.items()]
    must_be_none = (result.lost, result.astray, result.unaccounted)
    return tag(
        "tr",
        tag("th", result.name, scope="row"),
        verdict,
        _count(result.events),
        _count(result.pairs),
        *(_count(count, most=0) for count in must_be_none),
        tag("td", f"{result.duplicates:,} / {result.bound:,}", class_=_over(result)),
        _count(result.early, most=0),
        tag("td", *_lines(tiers), class_="tight"),
        *(tag("td", f"{value:.1f}") for value in (result.stall_s, result.drain_s, result.took_s)),
    )


def _count(count: int, most: int | None = None) -> Markup:
    return tag("td", f"{count:,}", class_="bad" if most is not None and count > most else None)


def _over(result: Result) -> str | None:
    return "bad" if result.duplicates > result.bound else None


def _lines(words: Sequence[str]) -> list[str]:
    return [part for word in words for part in (word, tag("br"))][:-1]


def _figures(played: Played) -> Iterator[Markup]:
    late = report.lateness(played.results)
    if late:
        yield tag("h2", "How late attempts were after a wait")
        names = [
            join(tag("span", class_=f"swatch tier{index % 6}"), f"{tier}: {spread.total():,} attempts, ",
                 f"p50 {spread.percentile(0.5):,} ms, p99 {spread.percentile(0.99):,} ms")
            for index, (tier, spread) in enumerate(late.items())
        ]  # fmt: skip
        caption = "The share of attempts that were at most so late; every outage and takeover is in it."
        yield _figure(plots.lateness(late), names, caption)
    rows = [(one.name, one.duplicates, one.bound) for one in played.results if one.bound or one.duplicates]
    if rows:
        yield tag("h2", "Duplicates against their bound")
        names = [_swatch("there", "deliveries beyond the first"), _swatch("bound", "the most there may be")]
        caption = f"Logarithmic. The bound: {report.BOUND}. In all other scenarios nothing may come twice."
        yield _figure(plots.duplicates(rows), names, caption)
    yield tag("h2", "Expected and actual fates")
    yield _fates(
        sum((result.expected for result in played.results), Counter()),
        sum((result.actual for result in played.results), Counter()),
    )


def _figure(plot: Markup, names: Sequence[Markup], caption: str = "") -> Markup:
    legend = tag("div", *(tag("span", name) for name in names), class_="legend")
    parts = [legend, tag("div", plot, class_="scroll"), tag("figcaption", caption) if caption else Markup()]
    return tag("figure", *parts)


def _swatch(kind: str, text: str) -> Markup:
    return join(tag("span", class_=f"swatch {kind}"), text)


def _fates(expected: Counter[str], actual: Counter[str]) -> Markup:
    head = tag("tr", *(tag("th", word, scope="col") for word in ("fate", "expected", "actual")))
    rows = [
        tag("tr", tag("th", fate, scope="row"), _count(expected[fate]),
            tag("td", f"{actual[fate]:,}", class_=None if actual[fate] == expected[fate] else "bad"))
        for fate in sorted(expected | actual)
    ]  # fmt: skip
    return tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="wide")


# -- each scenario ---------------------------------------------------------------------------------


def _each(played: Played) -> Iterator[Markup]:
    yield tag("h2", "Each scenario")
    for result in played.results:
        verdict = tag(
            "span", "passed" if result.passed else "FAILED", class_="good" if result.passed else "bad"
        )
        summary = tag("summary", tag("b", result.name), verdict, f" {result.text}")
        inside = tag("div", *_inside(result), class_="inside")
        yield tag(
            "details", summary, inside, open="" if len(played.results) < 4 or not result.passed else None
        )


def _inside(result: Result) -> Iterator[Markup]:
    if result.failures:
        yield tag("h3", "What is wrong", class_="bad")
        yield _list(result.failures)
    if result.figures:
        yield tag("h3", "Measured")
        pairs = ((tag("dt", name), tag("dd", str(value))) for name, value in result.figures.items())
        yield tag("dl", *(part for pair in pairs for part in pair))
    if result.notes:
        yield tag("h3", "Notes")
        yield _list(result.notes)
    yield tag("h3", "Expected and actual fates")
    yield _fates(result.expected, result.actual)
    for number, course in enumerate(result.courses[:DRAWN], 1):
        yield tag("h3", "Requests per second" + (f", round {number}" if result.rounds > 1 else ""))
        yield _course(course)
    if len(result.courses) > DRAWN:
        yield tag("p", f"... and {len(result.courses) - DRAWN} rounds more", class_="soft")


def _course(course: Course) -> Markup:
    names = [_swatch("taken", "taken"), _swatch("refused", "refused, or not answered")]
    moments = (tag("li", f"{at:.1f} s: {what}") for at, what in course.moments)
    listed = tag("ol", *moments, class_="moments") if course.moments else Markup()
    return join(_figure(plots.course(course), names), listed)


def _list(lines: Sequence[str]) -> Markup:
    return tag("ul", *(tag("li", line) for line in lines), class_="lines")


def _repeat(played: Played) -> Iterator[Markup]:
    yield tag("h2", "To repeat it")
    rows = {"seed": str(played.seed), **played.circumstances}
    yield tag(
        "dl",
        *(part for name, value in rows.items() for part in (tag("dt", name), tag("dd", _code(name, value)))),
    )


def _code(name: str, value: str) -> str:
    return tag("code", value) if name == "command" else value
