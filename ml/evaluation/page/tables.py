"""Tables of a page."""

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element

from ml.evaluation.page.markup import Child, element


def table(
    caption: str, headings: Sequence[str], rows: Iterable[Element], numbers: int = 0
) -> Element:
    """A table; its last `numbers` columns hold numbers. It scrolls where it is too wide."""
    first = len(headings) - numbers
    head = element("tr", *(
        element("th", heading, scope="col", class_="number" if at >= first else "name")
        for at, heading in enumerate(headings)
    ))  # fmt: skip
    made = element("table", element("caption", caption), element("thead", head),
                   element("tbody", *rows))  # fmt: skip
    return element("div", made, class_="wide")


def row(*cells: Child, bad: bool = False) -> Element:
    """A row of cells; texts become cells with names in them."""
    made = [name(cell) if isinstance(cell, str) else cell for cell in cells]
    return element("tr", *made, class_="bad" if bad else "plain")


def name(told: str) -> Element:
    """A cell with a name, which may be written from right to left."""
    return element("td", told, class_="name", dir="auto")


def text(told: str, language: str = "") -> Element:
    """A cell with what somebody wrote, in its own direction."""
    return element("td", told, class_="text", dir="auto", lang=language or "und")


def count(number: int) -> Element:
    """A cell with a count."""
    return element("td", f"{number:,}", class_="number")


def share(part: float) -> Element:
    """A cell with a share."""
    return element("td", f"{part:.1%}", class_="number")


def interval(low: float, high: float) -> Element:
    """A cell with an interval of shares."""
    return element("td", f"{low:.1%} to {high:.1%}", class_="number")


def number(value: float) -> Element:
    """A cell with a number of four digits behind the point."""
    return element("td", f"{value:.4g}", class_="number")


def drawn(drawing: Element) -> Element:
    """A cell with a drawing, as wide as the table lets it be."""
    return element("td", drawing, class_="drawn")


def heat(told: str, part: float, *, wrong: bool = False) -> Element:
    """A cell that is the darker the greater its part (0 to 1)."""
    kind = "heat wrong" if wrong else "heat"
    return element("td", told, class_=kind, style=f"--part: {part:.3f}")
