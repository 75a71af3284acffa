"""How far what a model says has moved from what the last release said.

The measure is the population stability index: the sum over tenths of the score (or over classes) of
(share now - share then) x ln(share now / share then). By the custom of credit scoring, where it
comes from, under 0.1 nothing has moved, under 0.25 something has, and above that a threshold that
was set then no longer means what it did.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any

from ml.report import Report

STEADY, MOVED = 0.1, 0.25
_TENTHS = 10


@dataclass(frozen=True, slots=True)
class Drift:
    """How far one group has moved."""

    group: str
    count: int  # messages now
    scores: float  # index over tenths of the probability of unwanted
    classes: float  # index over what messages were taken for
    scores_then: tuple[float, ...]  # shares by tenth
    scores_now: tuple[float, ...]
    classes_then: dict[str, float]
    classes_now: dict[str, float]

    @property
    def meaning(self) -> str:
        """In a word."""
        worst = max(self.scores, self.classes)
        return "steady" if worst < STEADY else "moved" if worst < MOVED else "far from it"


def drift(then: Report, now: Report) -> list[Drift]:
    """For every group that both reports know."""
    scores_then, scores_now = _scores(then), _scores(now)
    classes_then, classes_now = _classes(then), _classes(now)
    return [
        Drift(
            group, sum(scores_now[group].values()),
            index(scores_then[group], scores_now[group]),
            index(classes_then[group], classes_now[group]),
            tuple(_shares(scores_then[group]).values()),
            tuple(_shares(scores_now[group]).values()),
            _shares(classes_then[group]), _shares(classes_now[group]),
        )
        for group in scores_now
        if group in scores_then
    ]  # fmt: skip


def index(then: Mapping[Any, int], now: Mapping[Any, int]) -> float:
    """The index; half a message is added to every cell, so that an empty one is not infinite."""
    cells = then.keys() | now.keys()
    all_then = sum(then.values()) + len(cells) / 2
    all_now = sum(now.values()) + len(cells) / 2
    total = 0.0
    for cell in cells:
        before, after = (then.get(cell, 0) + 0.5) / all_then, (now.get(cell, 0) + 0.5) / all_now
        total += (after - before) * log(after / before)
    return round(total, 4)


def _scores(report: Report) -> dict[str, dict[int, int]]:
    """Messages by group and tenth of the probability of unwanted."""
    return {
        one.group: dict.fromkeys(range(_TENTHS), 0)
        | {round(cell.low * _TENTHS): cell.count for cell in one.bins}
        for one in report.reliability
        if one.label == "unwanted"
    }


def _classes(report: Report) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for row in report.confusion:
        found.setdefault(row.group, Counter()).update(row.taken_for)
    return found


def _shares(counts: Mapping[Any, int]) -> dict[Any, float]:
    total = max(sum(counts.values()), 1)
    return {cell: round(count / total, 4) for cell, count in counts.items()}
