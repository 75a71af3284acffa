"""A seed decides the model, and the thresholds keep their promise."""

from __future__ import annotations

import numpy as np
import pytest

from ml.choosing import FALSE_POSITIVE_TARGET, choose_cascade, choose_thresholds
from ml.data import Row
from ml.evaluate import Judged, interval
from ml.judge import Judge
from ml.judgement import LABELS, Judgement
from ml.train import Training, train
from tests.ml.conftest import TINY, in_silence


def test_the_same_seed_gives_the_same_model(tiny_training: Training) -> None:
    again = train(TINY, [], {}, in_silence)

    for name in ("labels", "languages"):
        one, other = (getattr(each.models, name)[-1] for each in (tiny_training, again))
        np.testing.assert_array_equal(one.coef_, other.coef_)
        np.testing.assert_array_equal(one.intercept_, other.intercept_)
    assert tiny_training.thresholds == again.thresholds
    assert tiny_training.unseen == again.unseen


def test_further_data_is_learned_from() -> None:
    """A language of its own, with a word that stands for advertisements."""
    rows = [
        Row(str(number), f"zorb {'kuma' if number % 2 else 'lita'} zorb {number}", "xx",
            "other_spam" if number % 2 else "unknown_ham", "made up", str(number))
        for number in range(300)
    ]  # fmt: skip
    trained = train(TINY, rows, {}, in_silence)
    texts = ["zorb kuma zorb", "zorb lita zorb"]

    bad, good = Judge(trained.models).judge(texts)
    assert bad.unwanted > 0.5 > good.unwanted
    assert str(bad.language) == "xx"
    assert trained.described["data_messages"] == 300


def test_probabilities_are_those_of_the_pipeline(small_training: Training) -> None:
    pipeline = small_training.models.labels
    texts = ["Your parcel is out for delivery", "صباح الخير كيف حالك", "win cash now"]
    expected = pipeline.predict_proba(texts)
    classes = list(pipeline.classes_)

    judge = Judge(small_training.models)
    for judgement, row in zip(judge.judge(texts), expected, strict=True):
        for label in LABELS:
            assert getattr(judgement, label) == pytest.approx(row[classes.index(label)], abs=1e-5)


def _judged(language: str, label: str, unwanted: float) -> Judged:
    return Judged(language, label, language, Judgement(unwanted, 0.0, 1 - unwanted, 0.0, language))


def test_thresholds_hold_the_mean_of_all_groups_down() -> None:
    """However many messages a group has: here the one that looks worst has a tenth of them."""
    judged = [_judged("en", "personal", at / 6000) for at in range(5400)]
    judged += [_judged("ar", "transactional", 0.3 + at / 1000) for at in range(600)]
    thresholds = choose_thresholds(judged)

    shares = [
        sum(item.judgement.unwanted >= thresholds.direct for item in group) / len(group)
        for group in (judged[:5400], judged[5400:])
    ]
    assert sum(shares) / 2 <= FALSE_POSITIVE_TARGET
    assert sum(shares) / 2 > FALSE_POSITIVE_TARGET / 2
    assert thresholds.direct < thresholds.direct_unknown_language < 1
    assert thresholds.template_review <= thresholds.template
    assert thresholds.reply_promotional >= 0.97


@pytest.mark.parametrize(
    ("stopped", "count", "low", "high"),
    [(0, 100, 0.0, 0.037), (5, 100, 0.0215, 0.1118), (50, 100, 0.4038, 0.5962), (0, 0, 0.0, 1.0)],
)
def test_intervals_are_wilsons(stopped: int, count: int, low: float, high: float) -> None:
    assert interval(stopped, count) == pytest.approx((low, high), abs=1e-3)


def test_uncertain_labels_do_not_set_thresholds() -> None:
    judged = [_judged("en", "personal", at / 1000) for at in range(600)]
    uncertain = [_judged("en", "unknown_ham", 0.97) for _ in range(500)]

    assert choose_thresholds([*judged, *uncertain]) == choose_thresholds(judged)


def test_the_second_look_is_taken_where_it_changes_something() -> None:
    first = np.array([0.001, 0.3, 0.5, 0.7, 0.95, 0.9999], np.float32)
    second = np.array([0.001, 0.99, 0.1, 0.99, 0.2, 0.9999], np.float32)
    unwanted = np.array([False, True, False, True, False, True])
    cascade = choose_cascade(first, second, unwanted, direct=0.9)

    assert 0.29 < cascade.innocent < 0.3
    assert cascade.unwanted == pytest.approx(0.95)
