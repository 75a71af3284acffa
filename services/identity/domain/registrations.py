"""Owns the rules of registration: how long a code is good, how often it is tried and sent."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from services.identity.domain.phone_numbers import PhoneNumber

CODE_LIFETIME: Final = timedelta(minutes=10)
TRIES_MAX: Final = 5


class CodeLimit(NamedTuple):
    """At most `codes_max` codes to one number in `period`."""

    codes_max: int
    period: timedelta


CODE_LIMITS: Final = (CodeLimit(3, timedelta(minutes=10)), CodeLimit(10, timedelta(days=1)))
# How far back the limits look; older registrations are no longer needed.
CODE_LIMITS_PERIOD: Final = max(limit.period for limit in CODE_LIMITS)


@dataclass(frozen=True)
class Registration:
    """A code that was sent to a number, and what became of it."""

    registration_id: UUID
    phone_number: PhoneNumber
    code_hmac: bytes
    tries_left: int
    create_time: datetime
    expire_time: datetime
    device_id: UUID | None = None  # the device that it made

    def accepts(self, code: str, key: bytes) -> bool:
        """Whether this is the code; in constant time."""
        return hmac.compare_digest(self.code_hmac, code_hmac(self.registration_id, code, key))


def code_hmac(registration_id: UUID, code: str, key: bytes) -> bytes:
    """How a code is stored: keyed, because a million codes are hashed in a blink, and bound to its
    registration, so that equal codes do not look equal. 32 bytes.
    """
    return hmac.digest(key, registration_id.bytes + code.encode(), hashlib.sha256)


def wait_before_another_code(sent: Sequence[datetime], now: datetime) -> timedelta:
    """How long a number has to wait that was sent codes at these times; zero: not at all."""
    waits = [timedelta()]
    for limit in CODE_LIMITS:
        recent = sorted(time for time in sent if time > now - limit.period)
        if len(recent) >= limit.codes_max:
            # Another may go once all but codes_max - 1 of these are older than the period.
            waits.append(recent[len(recent) - limit.codes_max] + limit.period - now)
    return max(waits)
