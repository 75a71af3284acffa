"""Owns what corrects a charge: credit notes, and re-rating by a corrected card."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID, uuid5

from services.billing.domain.ledger import EntryType, LedgerAccount
from services.billing.domain.money import Money
from services.billing.domain.payers import Payer
from services.billing.domain.pricing import NoRate, Shipment, price_of
from services.billing.domain.rate_card import RateCard
from services.billing.domain.rates import Category
from services.billing.domain.terms import month_of
from services.billing.domain.usage import Usage, UsageKey


@dataclass(frozen=True, slots=True)
class CreditNote:
    """Money given back of what an entry charged."""

    credit_note_id: UUID
    business_id: UUID
    entry_id: int
    amount: Money
    reason: str


class Charge(NamedTuple):
    """An entry that charged a message, and what it comes to with all corrections so far."""

    business_id: UUID
    entry_id: int
    message_id: UUID
    type: EntryType
    category: Category
    charged: Money


class Step(NamedTuple):
    """An entry that counted towards a month's volume: a reservation, or what gave it back or took
    it again.
    """

    type: EntryType
    message_id: UUID
    shipment: Shipment
    time: datetime
    usage_day: date | None
    # Of a reservation, what the message was charged; None: it was free, or not delivered.
    charge: Charge | None


class ReratingState(StrEnum):
    """Where a re-rating stands."""

    PROPOSED = "proposed"
    APPLIED = "applied"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is asked of a re-rating: the messages accepted from one time to before another."""

    rerating_id: UUID
    currency_code: str
    from_time: datetime
    to_time: datetime
    sha256: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Rerating:
    """A re-rating as it stands."""

    proposal: Proposal
    state: ReratingState
    item_count: int
    charged: Money
    corrected: Money
    create_time: datetime


class ReratingItem(NamedTuple):
    """A message that was charged differently than the corrected card says."""

    place: int
    business_id: UUID
    message_id: UUID
    entry_id: int
    charged_micros: int
    corrected_micros: int

    def adjustment_id(self, rerating_id: UUID) -> UUID:
        """The reference of its adjustment."""
        return uuid5(rerating_id, f"{self.business_id} {self.message_id}")


class Adjustment(NamedTuple):
    """What an item moves, and between what."""

    adjustment_id: UUID
    charge: Charge
    from_account: LedgerAccount
    to_account: LedgerAccount
    amount_micros: int


def gives_back_to(amount_micros: int, owed_micros: int) -> LedgerAccount:
    """The side that is given back to, whole: what is owed, where that is as much."""
    if amount_micros <= owed_micros:
        return LedgerAccount.RECEIVABLE
    return LedgerAccount.AVAILABLE


def rerate(
    steps: Iterable[Step], payer: Payer, card: RateCard, since: datetime
) -> Iterator[tuple[Charge, int]]:
    """The charges of one business that the card prices otherwise, with what it says, in micros.

    `steps` come in their order from the beginning of the month of `since` on, and are counted as
    they were the first time, so that each message has its number of the month again: by the card
    that was in force nothing differs. Those before `since` are counted and not compared.
    """
    usage: defaultdict[date, Usage] = defaultdict(Usage)
    counted: dict[UUID, tuple[Usage, UsageKey]] = {}
    for step in steps:
        shipment, charge = step.shipment, step.charge
        if step.type is not EntryType.RESERVATION:
            if step.message_id in counted:
                of_month, key = counted[step.message_id]
                again = step.type is EntryType.LATE_CAPTURE
                of_month.add(key, shipment.units if again else -shipment.units)
            continue
        of_month = usage[month_of(step.usage_day or payer.day(step.time))]
        price = price_of(shipment, payer, card, of_month, step.time)
        if isinstance(price, NoRate):
            continue
        key = UsageKey(shipment.channel, price.market, price.category)
        of_month.add(key, shipment.units)
        counted[step.message_id] = of_month, key
        if charge is None or step.time < since:
            continue
        if price.listed.amount_micros != charge.charged.amount_micros:
            yield charge, price.listed.amount_micros


def adjust(
    items: Sequence[ReratingItem],
    rerating_id: UUID,
    charges: Mapping[tuple[UUID, int], Charge],
    booked: set[UUID],
    available_micros: Mapping[UUID, int],
    owed_micros: Mapping[UUID, int],
) -> list[Adjustment]:
    """What is still to be booked for these items, each whole on one side of its business.

    An item is left out that is booked, or whose message was corrected since it was proposed.
    """
    available, owed = dict(available_micros), dict(owed_micros)
    adjustments = []
    for item in items:
        adjustment_id = item.adjustment_id(rerating_id)
        charge = charges[item.business_id, item.entry_id]
        if adjustment_id in booked or charge.charged.amount_micros != item.charged_micros:
            continue
        business_id = item.business_id
        less = item.charged_micros - item.corrected_micros
        if less > 0:
            source, side = LedgerAccount.ADJUSTMENTS, gives_back_to(less, owed[business_id])
            destination = side
        else:
            covered = -less <= available[business_id]
            side = LedgerAccount.AVAILABLE if covered else LedgerAccount.RECEIVABLE
            source, destination = side, LedgerAccount.ADJUSTMENTS
        if side is LedgerAccount.AVAILABLE:
            available[business_id] += less
        else:
            owed[business_id] -= less
        adjustments.append(Adjustment(adjustment_id, charge, source, destination, abs(less)))
    return adjustments
