"""Owns on which terms a business spends, and in which time zone its days are."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class Terms(NamedTuple):
    """On which terms a business spends; amounts in micros of its account's currency."""

    credit_limit_micros: int = 0
    daily_cap_micros: int | None = None
    monthly_cap_micros: int | None = None
    # Told when what is left falls to one of these, and when the month's spending rises to one.
    left_alerts_micros: tuple[int, ...] = ()
    spent_alerts_micros: tuple[int, ...] = ()


@cache
def zone(name: str) -> ZoneInfo:
    """The time zone of this name in the IANA database. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError):
        raise ValueError(f"{name} is no time zone of the IANA database") from None


def month_of(day: date) -> date:
    """The first day of the month."""
    return day.replace(day=1)
