"""A share beyond its limit is told; of few messages only where there is no doubt."""

from __future__ import annotations

import pytest

from ml.evaluate import Judged
from ml.evaluation.limits import checks, cost_checks, limits
from ml.judgement import Judgement
from ml.measuring import ATTACKS, COURTESIES
from ml.report import Report, lost_to, report
from tests.ml.test_report import THRESHOLDS


def measured(label: str, stopped: int, count: int) -> Report:
    sure = Judgement(0.99, 0.0, 0.01, 0.0, "en")
    passed = Judgement(0.01, 0.0, 0.99, 0.0, "en")
    return report([Judged("en", label, "ours", sure if at < stopped else passed)
                   for at in range(count)], THRESHOLDS)  # fmt: skip


def held(report: Report) -> list[bool]:
    return [check.held for check in checks(report)]


@pytest.mark.parametrize("label", ["transactional", "personal"])
def test_under_one_percent_of_the_innocent_may_be_stopped(label: str) -> None:
    assert held(measured(label, 9, 1000)) == [True]
    assert held(measured(label, 10, 1000)) == [False]


@pytest.mark.parametrize("label", ["promotional", "scam"])
def test_nine_tenths_of_the_unwanted_must_be(label: str) -> None:
    assert held(measured(label, 900, 1000)) == [True]
    assert held(measured(label, 899, 1000)) == [False]


def test_few_messages_must_leave_no_doubt() -> None:
    assert held(measured("personal", 1, 50)) == [True]
    assert held(measured("personal", 5, 50)) == [False]


@pytest.mark.parametrize("attack", ATTACKS)
def test_disguises_have_a_limit_and_courtesy_another(attack: str) -> None:
    most = 50 if attack in COURTESIES else 30
    for lost in (most - 1, most):
        after = [at >= lost for at in range(1000)]
        found = lost_to(attack, "en", [True] * 1000, after)
        assert held(Report("", {}, {}, (), (), (), (), (), attacks=(found,))) == [lost < most]


def test_costs_are_held_to_their_limits() -> None:
    fast, slow = (
        cost_checks({name: limit * part for name, limit in limits()["cost_under"].items()})
        for part in (0.9, 1.1)
    )

    assert all(check.held for check in fast)
    assert not any(check.held for check in slow)
    assert not fast[0].is_share


def test_a_check_tells_of_what_it_is() -> None:
    [check] = checks(measured("scam", 5, 1000))

    assert (check.what, check.group, check.count) == ("scam stopped", "en", 1000)
    assert check.low < check.figure == 0.005 < check.high
