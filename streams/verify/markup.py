"""HTML and SVG as nested calls: whatever is not markup already is escaped, so data can't become any."""

from html import escape
from typing import Final


class Markup(str):
    """Text that is HTML. Nothing but `tag` and `join` makes it of what others wrote."""

    __slots__ = ()


#: Elements that have no end.
VOID: Final = frozenset({"br", "meta", "path", "line", "rect", "circle", "polyline"})


def tag(name: str, /, *children: str, **attributes: object) -> Markup:
    """An element. Attributes: `class_` for `class`, `stroke_width` for `stroke-width`; None: left out.

    >>> tag("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_word(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID and not children:
        return Markup(f"<{name}{given}>" if name in ("br", "meta") else f"<{name}{given}/>")
    return Markup(f"<{name}{given}>{join(*children)}</{name}>")


def join(*parts: str) -> Markup:
    """One after the other; text is escaped."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part, quote=False) for part in parts))


def _word(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
