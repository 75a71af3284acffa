"""All that is measured of a model on labelled messages, as data.

A `Report` is what `hudhud-ml evaluate` shows, what two models are compared by, and what a release
is held against; a manifest carries the one that training made of messages left out. Everything in
it is numbers and names: texts stand in it only where somebody asks for mistakes with their texts.
Every share is of messages, from 0 to 1, with its 95% interval (Wilson 1927).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.evaluate import Judged, Share, interval, measure
from ml.judgement import INNOCENT, LABELS, Judgement
from ml.thresholds import Thresholds

FORMAT = 1
ALL = "all"  # the group of everything together
UNWANTED = ("promotional", "scam", "other_spam")
ALLOWED = (*INNOCENT, "unknown_ham")
FALSE_POSITIVE_RATE = 0.005  # where recall is read off a curve
_BINS = 10
_POINTS_MAX = 40
_MISTAKES_MAX = 50
_GROUP_MIN = 50  # messages on either side; with fewer a curve says nothing

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """What one threshold of the unwanted probability would do."""

    threshold: float
    precision: float
    recall: float  # of the unwanted stopped
    innocent_stopped: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Every threshold, for one language or for all: precision against recall, and what it costs."""

    group: str
    unwanted: int  # messages
    innocent: int
    average_precision: float
    recall_at_rate: float  # where FALSE_POSITIVE_RATE of the innocent are stopped
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Bin:
    """Messages that were given a probability between two tenths."""

    low: float
    high: float
    count: int
    probability: float  # on average
    share: float  # of them that were of the class


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far the probabilities of one class mean what they say."""

    group: str
    label: str  # a class, or "unwanted"
    count: int
    error: float  # expected calibration error: mean distance of probability and share
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Confusion:
    """What messages of one label were taken for."""

    group: str
    label: str
    taken_for: dict[str, int]  # by class; "abstained" too


@dataclass(frozen=True, slots=True)
class Lost:
    """What one attack lets through of the unwanted messages that were stopped before."""

    attack: str
    group: str  # a language or ALL
    count: int  # messages that the attack changed
    stopped_before: int
    stopped_after: int
    lost: float  # recall before less recall after
    low: float  # the 95% interval of that
    high: float


@dataclass(frozen=True, slots=True)
class Mistake:
    """A message that the model was most sure about, and wrong."""

    id: str
    source: str
    language: str
    label: str
    taken_for: str
    unwanted: float
    text: str  # empty unless asked for


@dataclass(frozen=True, slots=True)
class Named:
    """Whether the words that an explanation names are the ones that decide."""

    group: str
    count: int  # stopped messages that were explained
    right: int  # removing what is named changed the score more than removing as much at random
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured of one model on one collection of labelled messages."""

    model: str  # the version of its manifest; empty while it is in training
    measured_on: dict[str, int]  # messages by source
    thresholds: dict[str, float]
    by_language: tuple[Share, ...]
    by_source: tuple[Share, ...]
    curves: tuple[Curve, ...]
    reliability: tuple[Reliability, ...]
    confusion: tuple[Confusion, ...]
    attacks: tuple[Lost, ...] = ()
    explanations: tuple[Named, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    format: int = field(default=FORMAT)

    def as_data(self) -> dict[str, Any]:
        """For JSON. `from_data` reads it back."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> "Report":
        """From JSON. Raises TypeError, KeyError or ValueError for what is no report."""
        if data.get("format") != FORMAT:
            raise ValueError(f"a report of format {data.get('format')}; known is {FORMAT}")

        def read(name: str, kind: type[Any]) -> tuple[Any, ...]:
            return tuple(kind(**item) for item in data[name])

        return cls(
            model=data["model"],
            measured_on=dict(data["measured_on"]),
            thresholds=dict(data["thresholds"]),
            by_language=read("by_language", Share),
            by_source=read("by_source", Share),
            curves=tuple(
                Curve(**{**curve, "points": tuple(Point(**point) for point in curve["points"])})
                for curve in data["curves"]
            ),
            reliability=tuple(
                Reliability(**{**item, "bins": tuple(Bin(**cell) for cell in item["bins"])})
                for item in data["reliability"]
            ),
            confusion=read("confusion", Confusion),
            attacks=read("attacks", Lost),
            explanations=read("explanations", Named),
            mistakes=read("mistakes", Mistake),
        )


def report(judged: Sequence[Judged], thresholds: Thresholds, model: str = "") -> Report:
    """The report of what a model said. Attacks, explanations and mistakes are measured apart."""
    groups: dict[str, list[Judged]] = defaultdict(list)
    sources: dict[str, int] = defaultdict(int)
    for item in judged:
        groups[item.language].append(item)
        sources[item.source] += 1
    groups = {ALL: list(judged), **{name: groups[name] for name in sorted(groups)}}
    return Report(
        model=model,
        measured_on=dict(sorted(sources.items())),
        thresholds=thresholds.as_data(),
        by_language=tuple(measure(judged, thresholds, by="language")),
        by_source=tuple(measure(judged, thresholds, by="source")),
        curves=tuple(
            curve for name, items in groups.items() if (curve := _curve(name, items)) is not None
        ),
        reliability=tuple(
            found for name, items in groups.items() for found in _reliability(name, items)
        ),
        confusion=tuple(
            found for name, items in groups.items() for found in _confusion(name, items)
        ),
    )


def lost_to(attack: str, group: str, before: Sequence[bool], after: Sequence[bool]) -> Lost:
    """Counts what an attack gets past a model: whether each message was stopped, before and after.

    The interval is that of a difference of paired shares (Newcombe 1998, method 10, with the pairs
    taken as independent, which makes it wider).
    """
    count, stopped, still = len(before), sum(before), sum(after)
    first, second = stopped / max(count, 1), still / max(count, 1)
    (low_1, high_1), (low_2, high_2) = interval(stopped, count), interval(still, count)
    lost = first - second
    low = lost - ((first - low_1) ** 2 + (high_2 - second) ** 2) ** 0.5
    high = lost + ((high_1 - first) ** 2 + (second - low_2) ** 2) ** 0.5
    return Lost(attack, group, count, stopped, still, *(round(x, 4) for x in (lost, low, high)))


def mistakes(
    judged: Sequence[Judged], ids: Sequence[str], texts: Sequence[str] | None = None
) -> tuple[Mistake, ...]:
    """The messages on which the model was surest and wrong; with their texts if these are given."""
    wrong = []
    for at, item in enumerate(judged):
        if item.judgement.label is None or item.label not in (*UNWANTED, *ALLOWED):
            continue
        unwanted = item.judgement.unwanted
        sureness = unwanted if item.label in ALLOWED else 1 - unwanted
        if sureness > 0.5:
            wrong.append((sureness, at))
    return tuple(
        Mistake(
            ids[at], judged[at].source, judged[at].language, judged[at].label,
            judged[at].judgement.label or "", round(judged[at].judgement.unwanted, 4),
            texts[at] if texts is not None else "",
        )
        for _, at in sorted(wrong, reverse=True)[:_MISTAKES_MAX]
    )  # fmt: skip


def _curve(group: str, judged: Sequence[Judged]) -> Curve | None:
    scores = np.array([item.judgement.unwanted for item in judged if item.label])
    unwanted = np.array([item.label in UNWANTED for item in judged if item.label], np.bool_)
    if min(unwanted.sum(), (~unwanted).sum()) < _GROUP_MIN:
        return None
    order = np.argsort(-scores, kind="stable")
    scores, unwanted = scores[order], unwanted[order]
    # Where scores are equal only the last of them is a threshold.
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    caught, stopped = np.cumsum(unwanted)[last], np.cumsum(~unwanted)[last]
    recall, innocent = caught / caught[-1], stopped / stopped[-1]
    precision = caught / (caught + stopped)
    allowed = np.flatnonzero(innocent <= FALSE_POSITIVE_RATE)
    shown = np.unique(
        np.searchsorted(recall, np.linspace(0, 1, _POINTS_MAX)).clip(0, len(last) - 1)
    )
    return Curve(
        group=group,
        unwanted=int(caught[-1]),
        innocent=int(stopped[-1]),
        average_precision=_rounded(np.sum(np.diff(recall, prepend=0.0) * precision)),
        recall_at_rate=_rounded(recall[allowed[-1]] if len(allowed) else 0.0),
        points=tuple(
            Point(*(_rounded(x[at]) for x in (scores[last], precision, recall, innocent)))
            for at in shown
        ),
    )


def _reliability(group: str, judged: Sequence[Judged]) -> Iterable[Reliability]:
    certain = [item for item in judged if item.judgement.abstention is None]
    for label in ("unwanted", *LABELS):
        telling = (*UNWANTED, *ALLOWED) if label == "unwanted" else LABELS
        chosen = [item for item in certain if item.label in telling]
        if len(chosen) < _GROUP_MIN:
            continue
        given = np.array([getattr(item.judgement, label) for item in chosen])
        right = np.array(
            [item.label in UNWANTED if label == "unwanted" else item.label == label
             for item in chosen]
        )  # fmt: skip
        yield _reliability_of(group, label, given, right)


def _reliability_of(group: str, label: str, given: Floats, right: NDArray[np.bool_]) -> Reliability:
    cell = np.minimum((given * _BINS).astype(int), _BINS - 1)
    bins = tuple(
        Bin(
            at / _BINS, (at + 1) / _BINS, int((cell == at).sum()),
            _rounded(given[cell == at].mean()), _rounded(right[cell == at].mean()),
        )
        for at in range(_BINS)
        if (cell == at).any()
    )  # fmt: skip
    error = sum(one.count * abs(one.probability - one.share) for one in bins) / len(given)
    return Reliability(group, label, len(given), _rounded(error), bins)


def _confusion(group: str, judged: Sequence[Judged]) -> Iterable[Confusion]:
    for label in (*UNWANTED, *ALLOWED):
        taken: dict[str, int] = dict.fromkeys((*LABELS, "abstained"), 0)
        for item in judged:
            if item.label == label:
                taken[_taken_for(item.judgement)] += 1
        if any(taken.values()):
            yield Confusion(group, label, taken)


def _taken_for(judgement: Judgement) -> str:
    return judgement.label or "abstained"


def _rounded(number: float) -> float:
    return round(float(number), 4)
