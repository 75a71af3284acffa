"""Pauses before trying again."""

from __future__ import annotations

import pytest

from services.kit.backoff import SPREAD, Backoff


def test_pauses_grow_up_to_the_longest_and_begin_anew_when_it_worked() -> None:
    backoff = Backoff(0.1, 2.0)
    for usual in (0.1, 0.3, 0.9, 2.0, 2.0):
        assert backoff.pause_seconds() == pytest.approx(usual, rel=SPREAD)
    backoff.over()
    assert backoff.pause_seconds() == pytest.approx(0.1, rel=SPREAD)


def test_many_that_begin_at_one_moment_come_apart() -> None:
    pauses = [Backoff(1.0, 2.0).pause_seconds() for _ in range(100)]
    assert max(pauses) - min(pauses) > SPREAD
