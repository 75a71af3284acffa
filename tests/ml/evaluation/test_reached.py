"""No model falls behind what the released one reached, where that is short of a limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ml.evaluate import Share, interval
from ml.evaluation.limits import check_of, checks
from ml.evaluation.reached import Reached, reached
from ml.keys import read_public_key
from ml.places import RELEASED
from ml.release import read_verified_manifest
from ml.report import ALLOWED, Report, lost_to


@pytest.fixture(scope="module")
def unseen() -> Report:
    """What training measured of the released model."""
    key = read_public_key(RELEASED.public_key)
    return read_verified_manifest(RELEASED.model, key).unseen


def by(intervals: float, share: Share) -> Share:
    """The share of a model that is worse by so many half-widths of the interval."""
    half = (share.high - share.low) / 2
    worse = share.share + intervals * half * (1 if share.label in ALLOWED else -1)
    stopped = min(max(round(worse * share.count), 0), share.count)
    low, high = interval(stopped, share.count)
    return replace(share, stopped=stopped, share=stopped / share.count, low=low, high=high)


def test_the_released_model_is_not_refused_for_what_it_is_known_to_miss(unseen: Report) -> None:
    found = checks(unseen, reached())

    assert not [check for check in found if check.refuses]
    assert {(check.what, check.group) for check in found if check.known} == set(reached().figures)
    # Without that it would be.
    assert [check for check in checks(unseen) if check.refuses]


def test_a_slightly_worse_one_is_refused(unseen: Report) -> None:
    missed = [(check.what, check.group) for check in checks(unseen) if not check.held]
    assert missed
    for share in unseen.by_language:
        if (f"{share.label} stopped", share.group) in missed:
            alike, worse = (
                checks(replace(unseen, by_language=(by(step, share),)), reached())
                for step in (0.5, 1.6)
            )
            assert not alike[0].refuses, share
            assert worse[0].refuses, share


def test_what_an_attack_gets_through_is_held_to_what_was_reached_too() -> None:
    before = [at >= 200 for at in range(1000)]
    known = Reached({("lost to leet", "en"): 0.1})

    for lost, refused in ((20, False), (100, False), (110, False), (200, True)):
        after = [at >= 200 + lost for at in range(1000)]
        check = check_of(lost_to("leet", "en", before, after), known)
        assert check.refuses == refused, lost
        assert bool(check.known) == (not check.held and not refused)
    assert check_of(lost_to("leet", "fr", before, [False] * 1000), known).refuses
