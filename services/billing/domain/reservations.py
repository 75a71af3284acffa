"""Owns the decision what is held for a message: at which price, or why nothing is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from services.billing.domain.money import Money
from services.billing.domain.rates import Category, RateCard


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
    category: Category
    destination_country: str
    window_open: bool
    expire_time: datetime


class Reservation(NamedTuple):
    """What is held for one message. Without a rate it is free by rule."""

    item: ReservationItem
    price: Money
    rate_id: int | None

    def answers(self, item: ReservationItem) -> bool:
        """Whether `item` asks for this very reservation again.

        Window and expiry belong to the moment of asking, not to the message: asked again later,
        with the window closed since, the first answer stands.
        """
        return (
            self.item.category == item.category
            and self.item.destination_country == item.destination_country
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
class NoRate:
    """Nothing says what such a message costs."""

    category: Category
    destination_country: str
    currency_code: str


@dataclass(frozen=True, slots=True)
class NoCredit:
    """The message costs more than the business has left."""

    price: Money
    available: Money


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


Denial: TypeAlias = NoAccount | NoRate | NoCredit | IdReused | Ended | AlreadyOver


class Decision(NamedTuple):
    """An outcome for each item, in their order, and what has to be booked for it."""

    outcomes: list[Money | Denial]
    added: list[Reservation]


def decide(
    items: Iterable[ReservationItem],
    available: Mapping[UUID, Money],
    reserved: Mapping[MessageKey, Reservation],
    card: RateCard,
    now: datetime,
) -> Decision:
    """Decide on each item in turn, so that a business's money goes to whoever asked first.

    `available` is what each business with an account can spend, `reserved` what has been reserved
    before for any of the items. An item that is denied takes nothing, and a cheaper one behind it
    may still be paid.
    """
    left = {business_id: money.amount_micros for business_id, money in available.items()}
    known = dict(reserved)
    outcomes: list[Money | Denial] = []
    added: list[Reservation] = []
    for item in items:
        business_id = item.key.business_id
        earlier = known.get(item.key)
        if earlier is not None:
            outcomes.append(_again(earlier, item, now))
            continue
        account = available.get(business_id)
        if account is None:
            outcomes.append(NoAccount(business_id))
            continue
        reservation = quote(item, account.currency_code, card, now)
        if not isinstance(reservation, Reservation):
            outcomes.append(reservation)
            continue
        price = reservation.price
        if price.amount_micros > left[business_id]:
            outcomes.append(NoCredit(price, Money(account.currency_code, left[business_id])))
            continue
        left[business_id] -= price.amount_micros
        known[item.key] = reservation
        outcomes.append(price)
        added.append(reservation)
    return Decision(outcomes, added)


def _again(earlier: Reservation, item: ReservationItem, now: datetime) -> Money | Denial:
    if not earlier.answers(item):
        return IdReused(item.key.message_id)
    if not earlier.covers(item, now):
        return Ended(item.key.message_id)
    return earlier.price


def quote(
    item: ReservationItem, currency_code: str, card: RateCard, now: datetime
) -> Reservation | NoRate | AlreadyOver:
    """What the message costs a business with an account in this currency."""
    if item.expire_time <= now:
        return AlreadyOver(item.expire_time)
    if item.category is Category.SERVICE and item.window_open:
        return Reservation(item, Money(currency_code, 0), rate_id=None)
    rate = card.find(item.category, item.destination_country, currency_code, now)
    if rate is None:
        return NoRate(item.category, item.destination_country, currency_code)
    return Reservation(item, rate.price, rate.rate_id)
