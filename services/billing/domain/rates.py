"""Owns prices: what a message of a category costs to a country, in a currency, at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Final, NamedTuple

from services.billing.domain.money import AMOUNT_MICROS_MAX, Money

# The country of a rate that holds for every country without one of its own. ISO 3166-1 keeps the
# code free for such uses.
EVERYWHERE: Final = "ZZ"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Category(StrEnum):
    """What a message is for."""

    UTILITY = "utility"
    AUTHENTICATION = "authentication"
    MARKETING = "marketing"
    SERVICE = "service"


class RateKind(NamedTuple):
    """What a rate is for. Of each kind one rate is in force at a time."""

    category: Category
    country_code: str
    currency_code: str

    def __str__(self) -> str:
        """For people: "marketing to SY in USD"."""
        return f"{self.category} to {self.country_code} in {self.currency_code}"


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of one message from `valid_from_time` on, until the next rate of its kind."""

    category: Category
    country_code: str
    price: Money
    valid_from_time: datetime
    rate_id: int = 0  # its number in the database; 0 before it has one

    @property
    def kind(self) -> RateKind:
        """What it is for."""
        return RateKind(self.category, self.country_code, self.price.currency_code)


@dataclass(frozen=True, slots=True)
class NewRate:
    """A rate that somebody wants to add; without `valid_from_time` it begins now."""

    category: Category
    country_code: str
    price: Money
    valid_from_time: datetime | None

    def begun(self, now: datetime) -> Rate:
        """The rate that it becomes."""
        return Rate(self.category, self.country_code, self.price, self.valid_from_time or now)


class RateFaultKind(StrEnum):
    """In what way a rate cannot be added."""

    PRICE = "price"
    IN_THE_PAST = "in_the_past"
    OVERLAPS = "overlaps"


@dataclass(frozen=True, slots=True)
class RateFault:
    """What is wrong with one of several rates."""

    index: int
    kind: RateFaultKind
    description: str


def find_rate_faults(
    rates: Sequence[Rate], taken: Container[tuple[RateKind, datetime]], now: datetime
) -> list[RateFault]:
    """Everything that speaks against adding `rates` at the time `now`.

    `taken` has the beginnings at which another rate of the same kind begins.
    """
    faults: list[RateFault] = []
    added: set[tuple[RateKind, datetime]] = set()
    for index, rate in enumerate(rates):
        beginning = (rate.kind, rate.valid_from_time)
        if not 0 <= rate.price.amount_micros <= AMOUNT_MICROS_MAX:
            description = f"the price must be from 0 to {AMOUNT_MICROS_MAX} micros"
            faults.append(RateFault(index, RateFaultKind.PRICE, description))
        if rate.valid_from_time < now:
            description = f"{rate.kind} would begin in the past, where prices never change"
            faults.append(RateFault(index, RateFaultKind.IN_THE_PAST, description))
        elif beginning in taken or beginning in added:
            description = f"another rate for {rate.kind} begins at the same time"
            faults.append(RateFault(index, RateFaultKind.OVERLAPS, description))
        added.add(beginning)
    return faults


class RatePage(NamedTuple):
    """Where a page of the rates in force at a time begins: beyond the kind `after`."""

    at: datetime
    after: RateKind | None

    def text(self) -> str:
        """The page token."""
        micros = (self.at - _EPOCH) // timedelta(microseconds=1)
        return ".".join((str(micros), *(self.after or ())))

    @classmethod
    def parse(cls, token: str) -> RatePage | None:
        """Read what `text` wrote; None for anything else."""
        try:
            micros, category, country_code, currency_code = token.split(".")
            at = _EPOCH + timedelta(microseconds=int(micros))
            page = cls(at, RateKind(Category(category), country_code, currency_code))
        except (ValueError, OverflowError):
            return None
        return page if page.text() == token else None


class RateCard:
    """Every rate there is. It grows, and what it says of a time that has passed never changes."""

    def __init__(self) -> None:
        self._rates: dict[RateKind, list[Rate]] = {}
        self.newest_rate_id = 0

    def add(self, rates: Iterable[Rate]) -> None:
        """Take in rates in the order of their numbers; those that it has are passed over."""
        for rate in rates:
            if rate.rate_id <= self.newest_rate_id:
                continue
            known = self._rates.setdefault(rate.kind, [])
            known.append(rate)
            known.sort(key=attrgetter("valid_from_time"))
            self.newest_rate_id = rate.rate_id

    def find(
        self, category: Category, country_code: str, currency_code: str, at: datetime
    ) -> Rate | None:
        """The rate in force: the country's own, else the one for everywhere, else None."""
        return self._in_force(
            RateKind(category, country_code, currency_code), at
        ) or self._in_force(RateKind(category, EVERYWHERE, currency_code), at)

    def _in_force(self, kind: RateKind, at: datetime) -> Rate | None:
        rates = self._rates.get(kind)
        if rates is None:
            return None
        begun = bisect_right(rates, at, key=attrgetter("valid_from_time"))
        return rates[begun - 1] if begun else None
