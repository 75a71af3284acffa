"""The rules of registration, without a database: limits, and what a stored code gives away."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.codes import new_code
from services.identity.domain.phone_numbers import PhoneNumber
from services.identity.domain.registrations import (
    CODE_LIMITS,
    Registration,
    code_hmac,
    wait_before_another_code,
)
from services.kit.clock import new_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("minutes_ago", "wait_minutes"),
    [
        ([], 0),
        ([1, 2], 0),
        ([0, 0, 0], 10),
        ([1, 2, 3], 7),
        ([1, 2, 10], 0),
        ([1, 2, 9], 1),
        ([100 * n for n in range(1, 11)], 24 * 60 - 1000),
        ([100 * n for n in range(1, 10)], 0),
        ([3, 2, 1, 1440, 1440, 1440, 1440, 1440, 1440, 1440], 7),
    ],
)
def test_three_in_ten_minutes_and_ten_in_a_day(minutes_ago: list[int], wait_minutes: int) -> None:
    sent = [NOW - ago * MINUTE for ago in minutes_ago]
    assert wait_before_another_code(sent, NOW) == wait_minutes * MINUTE


@given(st.lists(st.integers(0, 2000), max_size=12), st.integers(1, 60))
def test_after_the_wait_another_may_go_and_not_a_moment_before(
    minutes_ago: list[int], seconds: int
) -> None:
    sent = [NOW - ago * MINUTE for ago in minutes_ago]
    wait = wait_before_another_code(sent, NOW)
    assert not wait_before_another_code(sent, NOW + wait)
    if wait:
        earlier = NOW + wait - timedelta(seconds=seconds)
        assert earlier < NOW or wait_before_another_code(sent, earlier)
    for limit in CODE_LIMITS:
        recent = [time for time in sent if time > NOW + wait - limit.period]
        assert len(recent) < limit.codes_max


def test_a_code_is_accepted_for_its_registration_under_its_key_only() -> None:
    one, other = new_id(), new_id()
    code, key = new_code(), b"k" * 32
    registration = Registration(
        one, PhoneNumber("+963944123456", "SY"), code_hmac(one, code, key), 5, NOW, NOW
    )
    assert registration.accepts(code, key)
    assert not registration.accepts(f"{(int(code) + 1) % 10**6:06}", key)
    assert not registration.accepts(code, b"x" * 32)
    assert code_hmac(other, code, key) != registration.code_hmac


def test_codes_are_six_digits_and_differ() -> None:
    codes = {new_code() for _ in range(200)}
    assert len(codes) > 190
    assert all(len(code) == 6 and code.isascii() and code.isdecimal() for code in codes)
