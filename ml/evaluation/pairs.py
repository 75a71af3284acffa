"""Two models on the same messages, or on messages of the same languages: which is worse, and where.

The interval of a difference is Newcombe's (1998: for paired shares his method 10, for others the
one of the same construction). Many differences are looked at together, so each interval is as wide
as it must be for all of them to hold at once with 95% (Bonferroni): otherwise one in twenty rows
would call a model worse that is not.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

from ml.evaluate import LABEL_ORDER, Share, interval
from ml.report import ALL, ALLOWED

_ERROR_RATE = 0.05


@dataclass(frozen=True, slots=True)
class Decision:
    """What two models decided about one labelled message."""

    id: str
    source: str
    language: str
    label: str
    stopped_by_a: bool
    stopped_by_b: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """The share that model B stops of the messages of one label, less the share that A stops."""

    group: str  # a language, or ALL
    label: str
    count: int  # messages; where they are not the same for both, those of B
    stopped_by_a: float
    stopped_by_b: float
    changed: int | None  # messages decided otherwise; None where the messages are not the same
    difference: float
    low: float
    high: float

    @property
    def worse(self) -> bool:
        """Whether B stops more innocent or fewer unwanted messages, beyond the interval."""
        return self.low > 0 if self.label in ALLOWED else self.high < 0

    @property
    def better(self) -> bool:
        """The opposite, beyond the interval as well."""
        return self.high < 0 if self.label in ALLOWED else self.low > 0

    def as_data(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self) | {"worse": self.worse}


def paired(decisions: Sequence[Decision]) -> list[Difference]:
    """For each language and label, and for all languages together."""
    cells: dict[tuple[str, str], list[Decision]] = defaultdict(list)
    for one in decisions:
        cells[one.language, one.label].append(one)
        cells[ALL, one.label].append(one)
    z = _together(len(cells))
    return [_of_pairs(group, label, cells[group, label], z)
            for group, label in sorted(cells, key=_order)]  # fmt: skip


def unpaired(shares_of_a: Sequence[Share], shares_of_b: Sequence[Share]) -> list[Difference]:
    """The same from what was measured of each on messages of its own."""
    of_a = {(share.group, share.label): share for share in shares_of_a}
    both = [(of_a[share.group, share.label], share)
            for share in shares_of_b if (share.group, share.label) in of_a]  # fmt: skip
    z = _together(len(both))
    found = []
    for a, b in both:
        low, high = _difference((a.stopped, a.count), (b.stopped, b.count), 0.0, z)
        found.append(
            Difference(b.group, b.label, b.count, a.share, b.share, None,
                       round(b.share - a.share, 4), low, high)
        )  # fmt: skip
    return sorted(found, key=lambda one: _order((one.group, one.label)))


def _of_pairs(group: str, label: str, cell: Sequence[Decision], z: float) -> Difference:
    count = len(cell)
    a = sum(one.stopped_by_a for one in cell)
    b = sum(one.stopped_by_b for one in cell)
    both = sum(one.stopped_by_a and one.stopped_by_b for one in cell)
    low, high = _difference((a, count), (b, count), _correlation(count, a, b, both), z)
    return Difference(group, label, count, round(a / count, 4), round(b / count, 4),
                      a + b - 2 * both, round((b - a) / count, 4), low, high)  # fmt: skip


def _difference(
    first: tuple[int, int], second: tuple[int, int], correlation: float, z: float
) -> tuple[float, float]:
    """The interval of the second share less the first."""
    a, b = (stopped / max(count, 1) for stopped, count in (first, second))
    (low_a, high_a), (low_b, high_b) = interval(*first, z), interval(*second, z)

    def reach(of_a: float, of_b: float) -> float:
        return sqrt(max(0.0, of_a**2 - 2 * correlation * of_a * of_b + of_b**2))

    return (round(b - a - reach(high_a - a, b - low_b), 4),
            round(b - a + reach(a - low_a, high_b - b), 4))  # fmt: skip


def _correlation(count: int, a: int, b: int, both: int) -> float:
    """Phi of the two decisions, taken nearer to nought where they agree (Newcombe's method 10)."""
    product = a * (count - a) * b * (count - b)
    if product == 0:
        return 0.0
    neither = count - a - b + both
    excess = float(both * neither - (a - both) * (b - both))
    return (max(0.0, excess - count / 2) if excess > 0 else excess) / sqrt(product)


def _together(comparisons: int) -> float:
    """How many standard deviations hold for so many intervals at once."""
    return NormalDist().inv_cdf(1 - _ERROR_RATE / (2 * max(comparisons, 1)))


def _order(cell: tuple[str, str]) -> tuple[bool, str, int]:
    group, label = cell
    return group == ALL, group, LABEL_ORDER.index(label)
