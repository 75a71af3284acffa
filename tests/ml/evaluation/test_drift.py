"""Drift is nought between equals, and grows with the distance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.evaluate import Judged
from ml.evaluation.drift import drift, index
from ml.judgement import Judgement
from ml.report import ALL, Report, report
from tests.ml.test_report import THRESHOLDS


def scored(unwanted: float, *, count: int = 200) -> Report:
    """Messages of one language that are all given about the same probability."""
    return report([
        Judged("en", "promotional" if at % 2 else "personal", "ours",
               Judgement(unwanted, 0.0, 0.0, 1 - unwanted, "en"))
        for at in range(count)
    ], THRESHOLDS)  # fmt: skip


def test_the_same_is_steady() -> None:
    for one in drift(scored(0.35), scored(0.35, count=400)):
        assert one.scores < 0.1
        assert one.meaning == "steady"


def test_other_scores_are_far_from_it() -> None:
    whole, english = drift(scored(0.15), scored(0.95))

    assert (whole.group, english.group) == (ALL, "en")
    assert whole.meaning == "far from it"
    assert whole.scores_then[1] == 1
    assert whole.scores_now[9] == 1
    assert whole.classes_now["promotional"] == 1


def test_a_group_that_only_one_knows_is_left_out() -> None:
    assert drift(Report("", {}, {}, (), (), (), (), ()), scored(0.5)) == []


def test_the_index_of_a_known_case() -> None:
    """Half and half become four fifths and one fifth: .3 ln 1.6 - .3 ln .4 = .416."""
    assert index({0: 50_000, 1: 50_000}, {0: 80_000, 1: 20_000}) == pytest.approx(0.416, abs=1e-3)


@given(*[st.dictionaries(st.integers(0, 9), st.integers(0, 1000), min_size=1)] * 2)
def test_the_index_is_never_below_nought(then: dict[int, int], now: dict[int, int]) -> None:
    assert index(then, now) >= 0
    assert index(then, now) == pytest.approx(index(now, then), abs=1e-4)
