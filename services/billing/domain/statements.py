"""Owns statements: what there was, what moved and what there is, to the micro."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from uuid import UUID

from services.billing.domain.free_rules import FreeRule
from services.billing.domain.ledger import EntryType, LedgerAccount
from services.billing.domain.periods import Period
from services.billing.domain.rates import Category, Channel


class Balance(NamedTuple):
    """The accounts that make up what a business has, in micros. `receivable` is below zero by
    what it owes.
    """

    available: int = 0
    reserved: int = 0
    receivable: int = 0

    @property
    def total(self) -> int:
        """What was paid in and given, less what was used."""
        return sum(self)

    def plus(self, change: Balance, sign: int = 1) -> Balance:
        """With `sign` -1, without it."""
        return Balance(*(mine + sign * its for mine, its in zip(self, change, strict=True)))


class MovementKey(NamedTuple):
    """What entries have in common that are one line of a statement. None: it is not said."""

    type: EntryType
    category: Category | None = None
    channel: Channel | None = None
    market: str | None = None
    free_rule: FreeRule | None = None


class Movement(NamedTuple):
    """One line of a statement; amounts in micros."""

    key: MovementKey
    entry_count: int
    units: int
    amount: int
    change: int


class BookedSum(NamedTuple):
    """Entries that have their key, their accounts and their place in time in common, added up."""

    key: MovementKey
    from_account: LedgerAccount
    to_account: LedgerAccount
    in_period: bool  # or later
    entry_count: int
    units: int
    amount: int

    @property
    def effect(self) -> Balance:
        """What they change of a balance."""
        effects = dict.fromkeys(Balance._fields, 0)
        for account, sign in ((self.from_account, -1), (self.to_account, 1)):
            if account in effects:
                effects[account] += sign * self.amount
        return Balance(**effects)


@dataclass(frozen=True, slots=True)
class Statement:
    """A business's account over a period."""

    business_id: UUID
    currency_code: str
    period: Period
    opening: Balance
    movements: list[Movement]
    closing: Balance


def statement_of(
    business_id: UUID,
    currency_code: str,
    period: Period,
    now: Balance,
    sums: Iterable[BookedSum],
) -> Statement:
    """The statement, from the balance that there is now and the sums of everything booked since
    the period began: the past is what there is, less what has come since.
    """
    closing = opening = now
    movements: dict[MovementKey, Movement] = {}
    for booked in sums:
        opening = opening.plus(booked.effect, -1)
        if not booked.in_period:
            closing = closing.plus(booked.effect, -1)
            continue
        so_far = movements.get(booked.key, Movement(booked.key, 0, 0, 0, 0))
        movements[booked.key] = Movement(
            booked.key,
            so_far.entry_count + booked.entry_count,
            so_far.units + booked.units,
            so_far.amount + booked.amount,
            so_far.change + booked.effect.total,
        )
    order = list(EntryType)
    return Statement(
        business_id,
        currency_code,
        period,
        opening,
        sorted(
            movements.values(),
            key=lambda movement: (
                order.index(movement.key.type),
                [part or "" for part in movement.key[1:]],
            ),
        ),
        closing,
    )


class SeriesKey(NamedTuple):
    """One kind of message, for a graph."""

    category: Category
    channel: Channel | None
    market: str | None


class Point(NamedTuple):
    """What was used on one day; `charged` in micros."""

    day: date
    messages: int = 0
    units: int = 0
    charged: int = 0


def without_gaps(
    period: Period, used: Mapping[SeriesKey, Mapping[date, Point]]
) -> list[tuple[SeriesKey, list[Point]]]:
    """Each series with a point for every day of the period."""
    return [
        (key, [used[key].get(day, Point(day)) for day in period.days()])
        for key in sorted(used, key=lambda key: [part or "" for part in key])
    ]
