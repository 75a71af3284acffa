"""Owns the words of the ledger: accounts, entries, and what must hold between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.billing.domain.free_rules import FreeRule
from services.billing.domain.money import Money
from services.billing.domain.rates import Category, Channel
from services.billing.domain.terms import Terms


class EntryType(StrEnum):
    """Why money moved."""

    TOP_UP = "top_up"
    RESERVATION = "reservation"
    CAPTURE = "capture"
    RELEASE = "release"
    EXPIRY = "expiry"
    LATE_CAPTURE = "late_capture"
    REPAYMENT = "repayment"
    CREDIT_NOTE = "credit_note"
    ADJUSTMENT = "adjustment"
    TAX = "tax"


class LedgerAccount(StrEnum):
    """Between what it moves, for each business."""

    FUNDING = "funding"
    AVAILABLE = "available"
    RESERVED = "reserved"
    REVENUE = "revenue"  # what was earned before it was told apart by category
    RECEIVABLE = "receivable"
    ALLOWANCE = "allowance"
    ADJUSTMENTS = "adjustments"
    TAX = "tax"
    REVENUE_UTILITY = "revenue_utility"
    REVENUE_AUTHENTICATION = "revenue_authentication"
    REVENUE_AUTHENTICATION_INTERNATIONAL = "revenue_authentication_international"
    REVENUE_MARKETING = "revenue_marketing"
    REVENUE_SERVICE = "revenue_service"


@dataclass(frozen=True, slots=True)
class Account:
    """A business's account and its balances."""

    business_id: UUID
    available: Money
    reserved: Money
    owed: Money
    create_time: datetime
    time_zone: str
    country_code: str | None
    terms: Terms

    @property
    def currency_code(self) -> str:
        """The currency of all its amounts."""
        return self.available.currency_code


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement of money."""

    entry_id: int
    business_id: UUID
    type: EntryType
    amount: Money
    reference_id: UUID
    category: Category | None
    create_time: datetime
    from_account: LedgerAccount
    to_account: LedgerAccount
    # Where it is about a message; the previous release did not say.
    channel: Channel | None
    market: str | None
    units: int | None
    free_rule: FreeRule | None
    corrects_entry_id: int | None


class CurrencySums(NamedTuple):
    """The sums of one currency, in micros; `debits`, `credits` and the rest from the entries."""

    currency_code: str
    debits: int
    credits: int
    available: int
    reserved: int
    revenue: int
    entry_count: int
    open_reservation_count: int
    owed: int = 0
    allowed: int = 0
    adjusted: int = 0
    tax: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of thing that does not hold: how often, and the first few cases in words."""

    what: str
    count: int
    examples: Sequence[str]

    def __str__(self) -> str:
        """For people: what, how often, for example where."""
        more = ", ..." if self.count > len(self.examples) else ""
        return f"{self.what}: {self.count} ({', '.join(self.examples)}{more})"


class LedgerCheck(NamedTuple):
    """Everything added up."""

    currencies: list[CurrencySums]
    faults: list[str]


def find_unequal_sums(currencies: Iterable[CurrencySums]) -> list[str]:
    """What does not hold between the sums themselves, in words."""
    return [
        f"debits and credits in {sums.currency_code} differ: {sums.debits} and {sums.credits}"
        for sums in currencies
        if sums.debits != sums.credits
    ]


def parse_entry_id(text: str) -> int | None:
    """The entry's number; None for what is none."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        return None
    return int(text)
