"""Owns the decision what is held for a message: at which price, or why nothing is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from services.billing.domain.alerts import Alert, alerts_of
from services.billing.domain.free_rules import FreeRule
from services.billing.domain.ledger import LedgerAccount
from services.billing.domain.money import Money
from services.billing.domain.payers import Payer
from services.billing.domain.pricing import NoRate, Shipment
from services.billing.domain.purses import Purse
from services.billing.domain.rate_card import RateCard
from services.billing.domain.rates import Category
from services.billing.domain.usage import Usage


class MessageKey(NamedTuple):
    """A message is known by its id within its business."""

    business_id: UUID
    message_id: UUID


# Messaging asks for a day longer than its message lives. A message that is asked for again so much
# later still arrives while its money is held; after that it has to be sent anew.
REPEATED_WITHIN: Final = timedelta(hours=12)


class ReservationItem(NamedTuple):
    """What messaging asks for one message."""

    key: MessageKey
    shipment: Shipment
    expire_time: datetime


class Reservation(NamedTuple):
    """What is held for one message, and what it was counted as."""

    item: ReservationItem
    # What is held, and on which side of the ledger it was taken.
    amount: Money
    source: LedgerAccount
    rate_id: int | None  # None: free by rule
    category: Category  # as it was priced
    market: str | None
    usage_day: date | None
    free_rule: FreeRule | None

    @property
    def price(self) -> Money:
        """What the business pays. What an allowance pays is free to it."""
        if self.source is LedgerAccount.ALLOWANCE:
            return Money(self.amount.currency_code, 0)
        return self.amount

    def answers(self, item: ReservationItem) -> bool:
        """Whether `item` asks for this very reservation again.

        Window, expiry and the person's coming by a link belong to the moment of asking, not to the
        message: asked again later, with the window closed since, the first answer stands.
        """
        mine, its = self.item.shipment, item.shipment
        return (
            mine.category is its.category
            and mine.destination_country == its.destination_country
            and mine.channel is its.channel
            and mine.units == its.units
        )

    def covers(self, item: ReservationItem, now: datetime) -> bool:
        """Whether what is held will still be held when the message that asks again arrives."""
        ends = self.item.expire_time
        return now < ends and item.expire_time <= ends + REPEATED_WITHIN


@dataclass(frozen=True, slots=True)
class NoAccount:
    """The business has no account."""

    business_id: UUID


@dataclass(frozen=True, slots=True)
class NoCredit:
    """The message costs more than the business has left."""

    price: Money
    available: Money


@dataclass(frozen=True, slots=True)
class Capped:
    """The message would take the business over what it allows itself to spend."""

    period: Literal["day", "month"]
    price: Money
    left: Money


@dataclass(frozen=True, slots=True)
class IdReused:
    """The id already stands for another message of the business."""

    message_id: UUID


@dataclass(frozen=True, slots=True)
class Ended:
    """What was held for this message is held no more, or not for long enough."""

    message_id: UUID


@dataclass(frozen=True, slots=True)
class AlreadyOver:
    """The reservation would have ended before it began."""

    expire_time: datetime


Denial: TypeAlias = NoAccount | NoRate | NoCredit | Capped | IdReused | Ended | AlreadyOver


class Decision(NamedTuple):
    """An outcome for each item, in their order, what has to be booked, and who is to be told."""

    outcomes: list[Money | Denial]
    added: list[Reservation]
    alerts: list[Alert]


def decide(
    items: Iterable[ReservationItem],
    payers: Mapping[UUID, Payer],
    reserved: Mapping[MessageKey, Reservation],
    card: RateCard,
    usage: Mapping[UUID, Usage],
    now: datetime,
) -> Decision:
    """Decide on each item in turn, so that a business's money goes to whoever asked first.

    `payers` are the businesses with an account, `reserved` what has been reserved before for any of
    the items, `usage` what those have used of whom the card or the terms count it. An item that is
    denied takes nothing, and a cheaper one behind it may still be paid.
    """
    purses = {
        business_id: Purse.of(payer, usage.get(business_id), now)
        for business_id, payer in payers.items()
    }
    known = dict(reserved)
    outcomes: list[Money | Denial] = []
    added: list[Reservation] = []
    for item in items:
        earlier = known.get(item.key)
        if earlier is not None:
            outcomes.append(_again(earlier, item, now))
            continue
        purse = purses.get(item.key.business_id)
        if purse is None:
            outcomes.append(NoAccount(item.key.business_id))
            continue
        outcome = _reserve(item, purse, card, now)
        if isinstance(outcome, Reservation):
            known[item.key] = outcome
            added.append(outcome)
            outcomes.append(outcome.price)
        else:
            outcomes.append(outcome)
    alerts = [
        alert
        for business_id, purse in purses.items()
        for alert in alerts_of(business_id, purse, usage.get(business_id, Usage()))
    ]
    return Decision(outcomes, added, alerts)


def _again(earlier: Reservation, item: ReservationItem, now: datetime) -> Money | Denial:
    if not earlier.answers(item):
        return IdReused(item.key.message_id)
    if not earlier.covers(item, now):
        return Ended(item.key.message_id)
    return earlier.price


def _reserve(
    item: ReservationItem, purse: Purse, card: RateCard, now: datetime
) -> Reservation | Denial:
    """What is taken from the purse for one message, or why nothing is."""
    if item.expire_time <= now:
        return AlreadyOver(item.expire_time)
    price = purse.price(item.shipment, card, now)
    if isinstance(price, NoRate):
        return price
    if capped := _over_a_cap(purse, price.charged):
        return capped
    source = purse.take(item.shipment, price)
    if source is None:
        charged = price.charged
        return NoCredit(charged, Money(charged.currency_code, purse.left_micros))
    return Reservation(
        item,
        price.listed,
        source,
        price.rate.rate_id if price.rate else None,
        price.category,
        price.market,
        purse.day,
        price.free_rule,
    )


def _over_a_cap(purse: Purse, price: Money) -> Capped | None:
    terms, usage = purse.payer.terms, purse.usage
    if terms.daily_cap_micros is None and terms.monthly_cap_micros is None:
        return None  # As for most, and this is asked for each message.
    periods: tuple[tuple[Literal["day", "month"], int | None, int], ...] = (
        ("day", terms.daily_cap_micros, usage.today_micros),
        ("month", terms.monthly_cap_micros, usage.month_micros),
    )
    for period, cap, spent in periods:
        if cap is not None and 0 < price.amount_micros > cap - spent:
            return Capped(period, price, Money(price.currency_code, max(0, cap - spent)))
    return None


def charge_late(
    late: Iterable[Reservation], available_micros: Mapping[UUID, int]
) -> list[Reservation]:
    """The same reservations, each with the side that pays now that it was delivered after all.

    What the prepaid balance does not cover is owed, whatever the credit limit: the message arrived.
    """
    left = dict(available_micros)
    charged = []
    for reservation in late:
        source = reservation.source
        if source is not LedgerAccount.ALLOWANCE:
            business_id, micros = reservation.item.key.business_id, reservation.amount.amount_micros
            source = LedgerAccount.RECEIVABLE
            if micros <= left[business_id]:
                left[business_id] -= micros
                source = LedgerAccount.AVAILABLE
        charged.append(reservation._replace(source=source))
    return charged
