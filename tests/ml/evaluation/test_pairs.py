"""The interval of a difference covers what it should, and tells which model is worse."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.evaluate import Share
from ml.evaluation.pairs import Decision, paired, unpaired
from ml.report import ALL


def decided(label: str, *counts: int, language: str = "en") -> list[Decision]:
    """So many messages stopped by both models, by A alone, by B alone, by neither."""
    return [
        Decision(f"{at}", "ours", language, label, by_a, by_b)
        for count, (by_a, by_b) in zip(
            counts, [(True, True), (True, False), (False, True), (False, False)], strict=True
        )
        for at in range(count)
    ]


def test_a_model_that_decides_the_same_is_not_worse() -> None:
    for one in paired(decided("promotional", 90, 0, 0, 10) + decided("personal", 1, 0, 0, 99)):
        assert (one.difference, one.changed) == (0, 0)
        assert one.low <= 0 <= one.high
        assert not one.worse
        assert not one.better


def test_what_is_lost_of_the_unwanted_or_stopped_of_the_innocent_is_worse() -> None:
    english = decided("promotional", 200, 60, 10, 30)
    arabic = decided("transactional", 2, 0, 30, 268, language="ar")
    found = {(one.group, one.label): one for one in paired(english + arabic)}

    assert found["en", "promotional"].worse
    assert found["en", "promotional"].changed == 70
    assert found["en", "promotional"].difference == pytest.approx(-50 / 300, abs=1e-4)
    assert found["ar", "transactional"].worse
    assert found[ALL, "transactional"].worse


def test_the_other_way_round_it_is_better() -> None:
    one, _ = paired(decided("promotional", 200, 10, 60, 30))

    assert one.better
    assert not one.worse


def test_pairs_tell_more_than_their_shares() -> None:
    """Twenty messages changed of a thousand, all one way, are seen in pairs and not without."""
    pairs, _ = paired(decided("promotional", 500, 20, 0, 480))
    shares = [
        Share("en", "promotional", 1000, stopped, stopped / 1000, 0, 1, 0) for stopped in (520, 500)
    ]
    [alone] = unpaired(shares[:1], shares[1:])

    assert pairs.worse
    assert not alone.worse
    assert alone.changed is None


def test_many_rows_widen_every_interval() -> None:
    one = decided("promotional", 80, 12, 3, 5)
    many = [row for language in "abcdefghijklmnop" for row in
            decided("promotional", 80, 12, 3, 5, language=language)]  # fmt: skip

    assert paired(many)[0].high - paired(many)[0].low > paired(one)[0].high - paired(one)[0].low


def test_the_intervals_hold_for_all_rows_at_once() -> None:
    """Of two equally good models, in about one comparison of twenty is any row called worse."""
    random, alarms = Random(1), 0
    for _ in range(200):
        rows = [
            Decision("", "", language, "promotional", random.random() < 0.8, random.random() < 0.8)
            for language in ("ar", "en", "es", "tr")
            for _ in range(120)
        ]
        alarms += any(one.worse or one.better for one in paired(rows))
    assert alarms / 200 <= 0.08


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any))
def test_an_interval_holds_its_difference(counts: list[int]) -> None:
    for one in paired(decided("scam", *counts)):
        assert one.low <= one.difference <= one.high
