"""Measures a model at its thresholds: what is stopped that should not be, what is let through.

Every share stands with its 95% interval (Wilson 1927), which is honest for small numbers too.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from ml.data import Row
from ml.judgement import Judgement
from ml.thresholds import Thresholds

if TYPE_CHECKING:  # whoever only reads figures need not load scikit-learn
    from ml.judge import Judge

BATCH = 256
Progress = Callable[[str, int, int], None]  # what is being done, steps done, steps in all
LABEL_ORDER = ("transactional", "personal", "unknown_ham", "promotional", "scam", "other_spam")


@dataclass(frozen=True, slots=True)
class Asked:
    """One labelled message to judge."""

    text: str
    language: str
    label: str
    source: str
    id: str = ""

    @classmethod
    def of_row(cls, row: Row) -> "Asked":
        """From a row of a file."""
        return cls(row.text, row.language, row.label, row.source, row.id)


@dataclass(frozen=True, slots=True)
class Judged:
    """What the model said about one labelled message; the message itself is not kept."""

    language: str
    label: str
    source: str
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Share:
    """How many of the messages of one label, in one language or source, were stopped."""

    group: str
    label: str
    count: int
    stopped: int
    share: float
    low: float  # the 95% interval
    high: float
    abstained: int

    def as_data(self) -> dict[str, Any]:
        """For the manifest and for machines."""
        return asdict(self)


def in_silence(_what: str, _done: int, _of: int) -> None:
    """Progress that nobody follows."""


def judge_all(
    judge: "Judge", asked: Sequence[Asked], progress: Progress = in_silence
) -> list[Judged]:
    """Judges every message, in batches."""
    judged = []
    for start in range(0, len(asked), BATCH):
        progress("judging", start, len(asked))
        batch = asked[start : start + BATCH]
        for item, judgement in zip(batch, judge.judge([item.text for item in batch]), strict=True):
            judged.append(Judged(item.language, item.label, item.source, judgement))
    return judged


def measure(judged: Sequence[Judged], thresholds: Thresholds, by: str) -> list[Share]:
    """The share stopped as a direct message, by label and by `language` or `source`."""
    cells: dict[tuple[str, str], list[Judgement]] = defaultdict(list)
    for item in judged:
        cells[getattr(item, by), item.label].append(item.judgement)
    return [
        _share(group, label, judgements, thresholds)
        for (group, label), judgements in sorted(
            cells.items(), key=lambda cell: (cell[0][0], LABEL_ORDER.index(cell[0][1]))
        )
    ]


def interval(stopped: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The interval of a share: of 95%, or as wide as `z` standard deviations make it."""
    if count == 0:
        return 0.0, 1.0
    share = stopped / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def _share(
    group: str, label: str, judgements: Sequence[Judgement], thresholds: Thresholds
) -> Share:
    stopped = sum(thresholds.blocks_direct(judgement) for judgement in judgements)
    low, high = interval(stopped, len(judgements))
    abstained = sum(judgement.abstention is not None for judgement in judgements)
    return Share(group, label, len(judgements), stopped, round(stopped / len(judgements), 4),
                 round(low, 4), round(high, 4), abstained)  # fmt: skip
