"""Chooses thresholds and the bounds of the cascade, on messages whose source was left out.

The measure of harm is the mean, over every source and label of innocent messages, of the share
that is stopped: a source with many messages does not outvote one with few. The worst twentieth of
them is left out, so that a source in which advertisements are labelled as notices decides nothing.
Labels that do not say which class they mean are left out too.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from ml.cascade import Cascade
from ml.evaluate import Judged
from ml.judgement import INNOCENT, Judgement
from ml.thresholds import Thresholds

FALSE_POSITIVE_TARGET = 0.008  # mean share of innocent messages stopped
REVIEW_TARGET = 0.03  # of the same, in wordings that a person then looks at
GROUP_MIN = 100  # messages; smaller groups are measured together
# What the first look may settle otherwise than the second would have.
UNWANTED_LET_PASS = 0.005
INNOCENT_STOPPED = 0.001

Floats = NDArray[np.float32]


def choose_thresholds(unseen: Sequence[Judged]) -> Thresholds:
    """The least thresholds that keep the harm to innocent messages under the targets."""
    direct = _threshold(unseen, attrgetter("unwanted"), FALSE_POSITIVE_TARGET, 0.6, 0.98)
    scam = _threshold(unseen, attrgetter("scam"), FALSE_POSITIVE_TARGET / 4, 0.9, 0.97)
    blatant = _threshold(unseen, attrgetter("promotional"), FALSE_POSITIVE_TARGET / 4, 0.97, 0.99)
    return Thresholds(
        direct=direct,
        direct_unknown_language=round(1 - (1 - direct) / 5, 4),
        marketing_scam=scam,
        reply_scam=scam,
        reply_promotional=blatant,
        template=direct,
        template_review=_threshold(unseen, attrgetter("unwanted"), REVIEW_TARGET, 0.5, direct),
    )


def choose_cascade(
    first: Floats, second: Floats, unwanted: NDArray[np.bool_], direct: float
) -> Cascade:
    """Bounds between which the second look is worth taking.

    `first` and `second` are what either look finds the worst piece of each message to be: the
    probability of unwanted. `unwanted` says which of them are; `direct` is the threshold.
    """
    would_stop = second >= direct
    caught = np.sort(first[unwanted & would_stop])
    passed = np.sort(first[~unwanted & ~would_stop])
    low = caught[int(UNWANTED_LET_PASS * len(caught))] if len(caught) else 0.0
    high = passed[-1 - int(INNOCENT_STOPPED * len(passed))] if len(passed) else 1.0
    return Cascade(
        innocent=round(float(min(low, 0.5)) * 0.999, 6), unwanted=float(max(high, 0.9, direct))
    )


def _threshold(
    unseen: Sequence[Judged],
    of: Callable[[Judgement], float],
    target: float,
    least: float,
    most: float,
) -> float:
    """The least probability, in thousandths, that at most `target` of the innocent reach."""
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for item in unseen:
        if item.label in INNOCENT:
            groups[item.source, item.label].append(of(item.judgement))
    few = [score for found in groups.values() if len(found) < GROUP_MIN for score in found]
    scores = [np.sort(found) for found in groups.values() if len(found) >= GROUP_MIN]
    scores += [np.sort(few)] if few else []
    for thousandths in range(round(least * 1000), round(most * 1000)):
        threshold = thousandths / 1000
        harm = sorted(1 - np.searchsorted(one, threshold) / len(one) for one in scores)
        if np.mean(harm[: len(harm) - len(harm) // 20]) <= target:
            return threshold
    return most
