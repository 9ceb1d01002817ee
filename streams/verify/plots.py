"""The plots of a report, as SVG: a round's course, lateness per tier, duplicates against their bound."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, floor, log10

from streams.verify.markup import Markup, join, tag
from streams.verify.timing import Course, Spread

WIDTH = 560
#: Room for what is written at the left of a plot, at its right end, above and below.
LEFT, RIGHT, TOP, BELOW = 44, 22, 18, 24
#: A mark's number is written only so far from the one before.
APART = 14.0
#: Of a distribution so many points are drawn.
POINTS = 200


def course(one: Course) -> Markup:
    """Requests in each second, those taken filled; a numbered line at each moment."""
    height, seconds = 170, max(1, one.seconds + 1)
    most = max([one.taken[at] + one.refused[at] for at in range(seconds)], default=0) or 1
    plot = _Frame(height, (0.0, float(seconds)), (0.0, _round_up(most)))
    taken = plot.steps([one.taken[at] for at in range(seconds)])
    every = plot.steps([one.taken[at] + one.refused[at] for at in range(seconds)])
    marks = join(*_marks(plot, one.moments))
    return plot.drawn(
        "Requests per second",
        plot.bottom([(at, f"{at:g} s") for at in _ticks(seconds)]),
        plot.side([(at, f"{at:g}") for at in _ticks(plot.ys[1], 4)]),
        tag("path", d=every, class_="refused"),
        tag("path", d=taken, class_="taken"),
        marks,
    )


def _marks(plot: "_Frame", moments: Sequence[tuple[float, str]]) -> Iterator[Markup]:
    last = -APART
    for number, (at, what) in enumerate(moments, 1):
        x = plot.x(at)
        inner = [tag("title", f"{at:.1f} s: {what}"), tag("line", x1=x, x2=x, y1=TOP, y2=plot.floor)]
        if x - last >= APART:
            inner.append(tag("text", str(number), x=x, y=TOP - 5, text_anchor="middle"))
            last = x
        yield tag("g", *inner, class_="mark")


def lateness(tiers: Mapping[str, Spread]) -> Markup:
    """The share of attempts that were at most so late, per tier; logarithmic."""
    latest = max((max(spread) for spread in tiers.values() if spread), default=1)
    plot = _Frame(220, (0.0, float(max(1, ceil(log10(max(10, latest)))))), (0.0, 1.0))
    lines = [
        tag("polyline", points=" ".join(_distribution(plot, spread)), class_=f"tier tier{index % 6}")
        for index, spread in enumerate(tiers.values())
    ]
    decades = [(float(power), _ms(10**power)) for power in range(int(plot.xs[1]) + 1)]
    shares = [(share, f"{share:.0%}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return plot.drawn("Lateness per tier", plot.bottom(decades), plot.side(shares), *lines)


def _distribution(plot: "_Frame", spread: Spread) -> Iterator[str]:
    for number in range(POINTS + 1):
        share = number / POINTS
        yield f"{plot.x(log10(max(1, spread.percentile(share)))):.1f},{plot.y(share):.1f}"


def duplicates(rows: Sequence[tuple[str, int, int]]) -> Markup:
    """Of each name how many there were and how many there could be; logarithmic."""
    pitch, left, right = 22, 150, 110
    most = log10(1 + max((max(there, bound) for _, there, bound in rows), default=1)) or 1.0
    scale = (WIDTH - left - right) / most
    drawn: list[Markup] = []
    for index, (name, there, bound) in enumerate(rows):
        y = index * pitch + 4
        drawn += [
            tag("text", name, x=left - 8, y=y + 12, text_anchor="end"),
            tag("rect", x=left, y=y, width=log10(1 + bound) * scale, height=15, class_="bound"),
            tag(
                "rect", x=left, y=y + 4, width=log10(1 + there) * scale, height=7, class_=_kind(there, bound)
            ),
            tag("text", f"{there:,} of {bound:,}", x=left + log10(1 + bound) * scale + 6, y=y + 12),
        ]
    return _svg("Duplicates against their bound", len(rows) * pitch + 6, *drawn)


def _kind(there: int, bound: int) -> str:
    return "over" if there > bound else "there"


class _Frame:
    """A rectangle with a scale on each side."""

    def __init__(self, height: int, xs: tuple[float, float], ys: tuple[float, float]) -> None:
        self.height, self.xs, self.ys = height, xs, ys
        self.floor = height - BELOW

    def x(self, value: float) -> float:
        low, high = self.xs
        share = (min(max(value, low), high) - low) / (high - low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        low, high = self.ys
        return round(self.floor - (value - low) / (high - low) * (self.floor - TOP), 1)

    def steps(self, values: Sequence[int]) -> str:
        """The path of an area below a line of steps, one for each whole x."""
        edges = "".join(
            f"L{self.x(at):g},{self.y(value):g}H{self.x(at + 1):g}" for at, value in enumerate(values)
        )
        return f"M{LEFT},{self.floor}{edges}V{self.floor}Z"

    def bottom(self, ticks: Sequence[tuple[float, str]]) -> Markup:
        return tag("g", *(self._below(at, word) for at, word in ticks), class_="axis")

    def _below(self, at: float, word: str) -> Markup:
        return tag("text", word, x=self.x(at), y=self.floor + 16, text_anchor="middle")

    def side(self, ticks: Sequence[tuple[float, str]]) -> Markup:
        lines = [
            join(
                tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=self.y(at), y2=self.y(at)),
                tag("text", word, x=LEFT - 6, y=self.y(at) + 4, text_anchor="end"),
            )
            for at, word in ticks
        ]
        return tag("g", *lines, class_="axis")

    def drawn(self, title: str, *parts: Markup) -> Markup:
        return _svg(title, self.height, *parts)


def _svg(title: str, height: int, *parts: Markup) -> Markup:
    return tag("svg", tag("title", title), *parts, viewBox=f"0 0 {WIDTH} {height}", role="img")


def _ticks(most: float, count: int = 6) -> list[float]:
    """Round numbers from 0 on, at most `count` of them besides 0."""
    step = _round_up(most / count)
    return [step * number for number in range(floor(most / step) + 1)]


def _round_up(value: float) -> float:
    """To 1, 2 or 5 times a power of ten; at least 1."""
    power = 10.0 ** floor(log10(max(1.0, value)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def _ms(value: int) -> str:
    return f"{value} ms" if value < 1000 else f"{value // 1000} s"
