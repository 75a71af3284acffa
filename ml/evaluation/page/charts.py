"""Small charts as inline SVG: lines and points over two axes, and intervals as bars in a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from xml.etree.ElementTree import Element

from ml.evaluation.page.markup import element

_WIDTH, _HEIGHT = 260, 200  # of the drawing, in its own units
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 10, 34
# Where no style is applied (a mail, a converter), a drawing is still the same drawing.
_COLOURS = {"first": "#0b5cad", "second": "#a35200", "bad": "#b3261e", "level": "#5f6872"}
_GRID = "#d9dee3"


def _evenly(value: float) -> float:
    return value


def by_log_odds(probability: float) -> float:
    """The scale on which probabilities near nought and near one are as far apart as they mean."""
    probability = min(max(probability, 0.001), 0.999)
    return log(probability / (1 - probability))


@dataclass(frozen=True, slots=True)
class Axis:
    """What a chart counts in one direction."""

    label: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    scale: Callable[[float], float] = _evenly

    def part(self, value: float) -> float:
        """Where a value stands, from 0 to 1; what is beyond the axis stands at its end."""
        low, high = self.scale(self.low), self.scale(self.high)
        return min(max((self.scale(value) - low) / (high - low), 0.0), 1.0)


def percent_axis(label: str) -> Axis:
    """From nought to everything."""
    return Axis(label, 0, 1, [(0, "0%"), (0.5, "50%"), (1, "100%")])


class Chart:
    """A chart that is drawn mark by mark; `element` is what stands in the page."""

    def __init__(self, described: str, x: Axis, y: Axis) -> None:
        self._x, self._y = x, y
        self.element = element(
            "svg", element("title", described), viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img",
            class_="chart", font_size=10,
        )  # fmt: skip
        self._draw_axes()

    def line(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """A line through points, in the manner of a kind (a class of the style)."""
        path = " ".join(f"{self._across(x):.1f},{self._down(y):.1f}" for x, y in points)
        self.element.append(
            element(
                "polyline", points=path, class_=f"line {kind}", fill="none", stroke=_COLOURS[kind]
            )
        )

    def dot(self, x: float, y: float, kind: str, told: str, radius: float = 4) -> None:
        """A point, told in words where one stays on it."""
        self.element.append(
            element("circle", element("title", told), cx=self._across(x), cy=self._down(y),
                    r=radius, class_=f"dot {kind}", fill=_COLOURS[kind])
        )  # fmt: skip

    def _across(self, value: float) -> float:
        return _LEFT + self._x.part(value) * (_WIDTH - _LEFT - _RIGHT)

    def _down(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - self._y.part(value) * (_HEIGHT - _TOP - _BOTTOM)

    def _draw_axes(self) -> None:
        left, bottom = _LEFT, _HEIGHT - _BOTTOM
        for value, told in self._y.ticks:
            y = self._down(value)
            self.element.append(
                element("line", x1=left, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid",
                        stroke=_GRID)
            )  # fmt: skip
            self.element.append(_text(told, left - 5, y + 3, "end"))
        for value, told in self._x.ticks:
            x = self._across(value)
            self.element.append(
                element("line", x1=x, x2=x, y1=_TOP, y2=bottom, class_="grid", stroke=_GRID)
            )
            self.element.append(_text(told, x, bottom + 13, "middle"))
        self.element.append(_text(self._x.label, (left + _WIDTH - _RIGHT) / 2, _HEIGHT - 6,
                                  "middle"))  # fmt: skip
        middle = (_TOP + bottom) / 2
        upright = _text(self._y.label, 10, middle, "middle")
        upright.set("transform", f"rotate(-90 10 {middle:g})")
        self.element.append(upright)


def interval_bar(
    figure: float, low: float, high: float, whole: float, *, limit: float | None, kind: str
) -> Element:
    """A share with its interval on a line from nought to `whole`, as wide as its cell."""

    def at(value: float) -> str:
        return f"{100 * min(max(value / whole, 0.0), 1.0):.2f}%"

    drawn = element("svg", class_="interval", height=16, role="presentation")
    drawn.append(element("line", x1="0%", x2="100%", y1=8, y2=8, class_="grid", stroke=_GRID))
    if limit is not None:
        drawn.append(element("line", x1=at(limit), x2=at(limit), y1=0, y2=16, class_="limit",
                             stroke=_COLOURS["level"]))  # fmt: skip
    drawn.append(element("line", x1=at(low), x2=at(high), y1=8, y2=8, class_=f"line {kind}",
                         stroke=_COLOURS[kind]))  # fmt: skip
    drawn.append(element("circle", cx=at(figure), cy=8, r=3.5, class_=f"dot {kind}",
                         fill=_COLOURS[kind]))  # fmt: skip
    return drawn


def _text(told: str, x: float, y: float, anchor: str) -> Element:
    return element("text", told, x=x, y=y, text_anchor=anchor)
