"""The report as a page: everything is on it, nothing that an event said is markup, and nothing is fetched."""

from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from streams import commands
from streams.verify import page, plots
from streams.verify.result import Played, Result
from streams.verify.timing import Course, Spread

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\x1b[31m'
VOID = {"meta", "br", "path", "line", "rect", "polyline"}


def result(name: str, /, events: int = 1234, **more: Any) -> Result:
    """A scenario with something in every place."""
    fates = Counter({"delivered": 3 * events - 40, "dead rejected": 40})
    found = Result(
        name, f"what {name} does", 7, events, 3 * events, fates, Counter(fates), duplicates=54, bound=628,
        lateness_ms={"300ms": Spread({90: 900, 120: 80, 6000: 20}), "1.2s": Spread({100: 30, 14322: 1})},
        stall_s=2.9, drain_s=3.6, took_s=58.5, strikes=["worker-1 killed"],
        figures={"p99 beside a dead one, ms": 12.5}, notes=["worker-2 ended by itself"],
        courses=[Course(Counter({0: 50, 1: 61}), Counter({1: 9}), [(0.7, "worker-1 killed")], 2)],
    )  # fmt: skip
    for field, value in more.items():
        setattr(found, field, value)
    return found


class Reader(HTMLParser):
    """What a browser would see: elements, their text, and whether they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def read(*results: Result, **more: object) -> Reader:
    reader = Reader(page.page(Played(7, list(results), **more)))  # type: ignore[arg-type]
    assert reader.open == []  # everything is closed
    return reader


def test_the_figures_of_every_scenario_are_on_the_page() -> None:
    # Given two scenarios, when the page is read
    found = read(result("kill-a"), result("poison", 99), took_s=61.0)

    # Then the verdict is at the top, and each has its row
    assert found.words[found.words.index("distributary verify: passed") + 1 :]
    for words in ("kill-a", "poison", "1,234", "3,702", "99", "297", "300ms 90 / 6000", "1.2s 100 / 14322"):
        assert words in found.words
    for figure in ("54 / 628", "2.9", "3.6", "58.5", "p99 beside a dead one, ms", "12.5"):
        assert found.words.count(figure) == 2
    assert {"54 of 628", "0.7 s: worker-1 killed", "worker-2 ended by itself", "1 min 1 s"} <= set(
        found.words
    )
    assert found.elements["svg"] == 2 + 2  # lateness, duplicates, and a course for each


def test_a_failure_is_the_first_thing_to_be_seen_and_says_how_to_repeat_it() -> None:
    found = read(result("kill-a", lost=3, failures=["e7 (events/0/7) at crm: lost"]), result("poison"))
    assert "distributary verify: FAILED" in found.words
    assert "distributary verify --seed 7 --faults kill-a" in found.words
    assert "e7 (events/0/7) at crm: lost" in found.words
    assert ("class", "verdict failed") in found.attributes
    assert found.attributes.count(("open", "")) == 2  # few scenarios: all are unfolded


@pytest.mark.parametrize("place", ["name", "text", "failures", "notes", "figures", "expected", "moments"])
def test_what_events_and_destinations_said_stays_text(place: str) -> None:
    told: dict[str, Any] = {
        "failures": [HOSTILE], "notes": [HOSTILE], "figures": {HOSTILE: HOSTILE},
        "expected": Counter({HOSTILE: 1}), "courses": [Course(moments=[(1.0, HOSTILE)], seconds=1)],
    }  # fmt: skip
    key = "courses" if place == "moments" else place
    found = read(result("kill-a", **{key: told.get(key, HOSTILE)}))
    assert found.elements["script"] == found.elements["img"] == 0
    assert not any(name.startswith("on") for name, _ in found.attributes)
    assert any(HOSTILE in words for words in found.words)


def test_circumstances_and_what_was_left_out_are_told() -> None:
    told = {"command": "distributary verify --seed 7 --faults 'kill-*'", "kafka": "4.3.1, local"}
    found = read(result("kill-a"), left_out={"broker-killed": "it stops the broker"}, circumstances=told)
    assert set(told.values()) <= set(found.words)
    assert "broker-killed: left out: it stops the broker" in found.words


def test_the_page_fetches_nothing() -> None:
    found = read(result("kill-a"))
    assert not {"script", "link", "img", "iframe", "object", "embed"} & set(found.elements)
    assert not [value for name, value in found.attributes if name in ("src", "href") or "url(" in value]
    assert "@import" not in found.text
    assert "url(" not in found.text


def test_nothing_played_and_nothing_measured_are_pages_too() -> None:
    assert "distributary verify: nothing was played" in read().words
    bare = Result("kill-a", "died before it began", failures=["Stuck: no broker"])
    assert "Stuck: no broker" in read(bare).words


def test_many_rounds_are_drawn_up_to_a_point() -> None:
    courses = [Course(Counter({0: 1}), seconds=1) for _ in range(page.DRAWN + 3)]
    found = read(result("kill-a", courses=courses, rounds=len(courses)))
    assert found.elements["svg"] == 2 + page.DRAWN
    assert "... and 3 rounds more" in found.words


def test_a_path_that_cannot_be_written_is_said_before_anything_is_played(tmp_path: Path) -> None:
    with pytest.raises(commands.Unusable, match=r"no/report\.html: can't be written: No such file"):
        page.expect_writable(tmp_path / "no" / "report.html")


def test_a_bar_beyond_its_bound_looks_different() -> None:
    assert 'class="over"' in plots.duplicates([("kill-a", 11, 10)])
    assert 'class="over"' not in plots.duplicates([("kill-a", 10, 10)])


def test_a_distribution_rises_to_the_right() -> None:
    drawn = plots.lateness({"300ms": Spread({1: 5, 1000: 5})})
    points = drawn.split('points="')[1].split('"')[0].split()
    xs, ys = zip(*(map(float, point.split(",")) for point in points), strict=True)
    assert list(xs) == sorted(xs)
    assert list(ys) == sorted(ys, reverse=True)
    assert xs[0] < xs[-1]
