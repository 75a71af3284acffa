"""Owns periods: whole days of a business, in its time zone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Self

from services.billing.domain.terms import month_of, zone

DAYS_MAX: Final = 366


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both included, in a time zone of the IANA database."""

    first: date
    last: date
    time_zone: str

    @classmethod
    def parse(cls, first: str, last: str, time_zone: str) -> Self:
        """A period from days such as 2026-10-01. Raises ValueError, whose text is for people."""
        period = cls(parse_day(first), parse_day(last), time_zone)
        if period.last < period.first:
            raise ValueError(f"{last} is before {first}")
        if (period.last - period.first).days >= DAYS_MAX:
            raise ValueError(f"a period has at most {DAYS_MAX} days")
        if period.first == date.min or period.last == date.max:
            raise ValueError("the calendar ends there")
        return period

    @classmethod
    def month(cls, text: str, time_zone: str) -> Self:
        """A calendar month such as 2026-10. Raises ValueError, whose text is for people."""
        first = parse_day(f"{text}-01")
        if not date.min < first < date(9999, 12, 1):
            raise ValueError("the calendar ends there")
        return cls(first, month_of(first + timedelta(days=31)) - timedelta(days=1), time_zone)

    @property
    def start_time(self) -> datetime:
        """When the first day begins."""
        return _begins(self.first, self.time_zone)

    @property
    def end_time(self) -> datetime:
        """When the last day is over: the first moment that does not belong to the period."""
        return _begins(self.last + timedelta(days=1), self.time_zone)

    def days(self) -> Iterator[date]:
        """Each day in turn."""
        for number in range((self.last - self.first).days + 1):
            yield self.first + timedelta(days=number)

    def day_starts(self) -> list[datetime]:
        """When each day begins: they are 23 to 25 hours apart where clocks change."""
        return [_begins(day, self.time_zone) for day in self.days()]

    def __str__(self) -> str:
        """For people: "2026-10-01 to 2026-10-31"."""
        return f"{self.first} to {self.last}"


def _begins(day: date, time_zone: str) -> datetime:
    # Where clocks are put forward at midnight, this is the moment they are: the first of the day.
    return datetime.combine(day, time(), zone(time_zone)).astimezone(UTC)


def parse_day(text: str) -> date:
    """A day such as 2026-10-01. Raises ValueError, whose text is for people."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"there is no day {text}") from None
