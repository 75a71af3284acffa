"""Owns rates: what one unit of a message costs, for whom, from when, and from which volume on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from services.billing.domain.money import Money

# The market of a rate that holds for every country without one of its own. ISO 3166-1 keeps the
# code free for such uses.
EVERYWHERE: Final = "ZZ"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Category(StrEnum):
    """What a message is for, as far as its price goes."""

    UTILITY = "utility"
    AUTHENTICATION = "authentication"
    AUTHENTICATION_INTERNATIONAL = "authentication_international"
    MARKETING = "marketing"
    SERVICE = "service"

    @property
    def cleared(self) -> Category:
        """The category as the clearance has it, which knows of no borders."""
        if self is Category.AUTHENTICATION_INTERNATIONAL:
            return Category.AUTHENTICATION
        return self


class Channel(StrEnum):
    """How a message reaches its person."""

    APP = "app"
    SMS = "sms"
    RCS = "rcs"


class RateKind(NamedTuple):
    """What a rate is for. Of each kind one ladder is in force at a time."""

    category: Category
    market: str
    currency_code: str
    channel: Channel = Channel.APP

    def __str__(self) -> str:
        """For people: "marketing to SY in USD", "utility by sms to africa in EUR"."""
        by = "" if self.channel is Channel.APP else f" by {self.channel}"
        return f"{self.category}{by} to {self.market} in {self.currency_code}"


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of one unit, from `valid_from_time` on: one rung of a ladder of volume tiers.

    It is for the units from number `tier_from` to number `tier_to` of a month (None: all after).
    It holds until the next ladder of its kind begins, or until `valid_to_time`.
    """

    category: Category
    market: str
    price: Money
    valid_from_time: datetime
    rate_id: int = 0  # its number in the database; 0 before it has one
    channel: Channel = Channel.APP
    tier_from: int = 1
    tier_to: int | None = None
    valid_to_time: datetime | None = None

    @property
    def kind(self) -> RateKind:
        """What it is for."""
        return RateKind(self.category, self.market, self.price.currency_code, self.channel)


@dataclass(frozen=True, slots=True)
class NewRate:
    """A rate that somebody wants to add; without `valid_from_time` it begins now."""

    category: Category
    market: str
    price: Money
    valid_from_time: datetime | None
    channel: Channel = Channel.APP
    tier_from: int = 1
    tier_to: int | None = None
    valid_to_time: datetime | None = None

    def begun(self, now: datetime) -> Rate:
        """The rate that it becomes."""
        return Rate(
            category=self.category,
            market=self.market,
            price=self.price,
            valid_from_time=self.valid_from_time or now,
            channel=self.channel,
            tier_from=self.tier_from,
            tier_to=self.tier_to,
            valid_to_time=self.valid_to_time,
        )


class RatePage(NamedTuple):
    """Where a page of the rates in force at a time begins: beyond `after` and its tier."""

    at: datetime
    after: RateKind | None
    tier_from: int = 0

    def text(self) -> str:
        """The page token."""
        micros = (self.at - _EPOCH) // timedelta(microseconds=1)
        return ".".join((str(micros), *(self.after or ()), str(self.tier_from)))

    @classmethod
    def parse(cls, token: str) -> RatePage | None:
        """Read what `text` wrote; None for anything else."""
        try:
            micros, category, market, currency_code, channel, tier_from = token.split(".")
            at = _EPOCH + timedelta(microseconds=int(micros))
            kind = RateKind(Category(category), market, currency_code, Channel(channel))
            page = cls(at, kind, int(tier_from))
        except (ValueError, OverflowError):
            return None
        return page if page.text() == token and page.tier_from < 2**63 else None
