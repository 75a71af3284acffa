"""Owns invoices: what a month came to, in lines, with tax; and the credit notes that correct them.

Everything is whole micros. A tax is rounded once, half a micro away from zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID, uuid5

from services.billing.domain.free_rules import FreeRule
from services.billing.domain.periods import Period
from services.billing.domain.statements import MovementKey

# Clocks of replicas may differ, and entries of a closed month are refused.
CLOSED_AFTER: Final = timedelta(hours=1)
PPM: Final = 1_000_000


class InvoiceKind(StrEnum):
    """What a document is."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


@dataclass(frozen=True, slots=True)
class Party:
    """One side of an invoice, as the law knows it."""

    legal_name: str
    address_lines: tuple[str, ...]
    country_code: str
    tax_id: str


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who issues invoices, and in which time zone its days and years are."""

    issuer_code: str
    party: Party
    time_zone: str


class Tax(NamedTuple):
    """A tax by its rate, in millionths of the net."""

    name: str
    rate_ppm: int


@dataclass(frozen=True, slots=True)
class TaxSet:
    """Which taxes hold from a day on, for buyers of a country."""

    issuer_code: str
    country_code: str
    first_day: date
    taxes: tuple[Tax, ...]
    note: str


class InvoiceLine(NamedTuple):
    """Entries that have their key and the price of a unit in common; amounts in micros."""

    key: MovementKey
    unit_price: int | None
    message_count: int
    units: int
    listed: int
    amount: int


class Correction(NamedTuple):
    """A credit note or an adjustment of the ledger; `amount` is below zero where it gives back."""

    entry_id: int
    key: MovementKey
    units: int
    amount: int
    corrected_time: datetime


@dataclass(frozen=True, slots=True)
class Invoice:
    """A document as it is issued. `number` is 0 before it has one."""

    invoice_id: UUID
    business_id: UUID
    kind: InvoiceKind
    issuer_code: str
    number: int
    issue_time: datetime
    issue_day: date
    period: Period
    corrects_number: str
    currency_code: str
    seller: Party
    buyer: Party
    lines: tuple[InvoiceLine, ...]
    net: int
    taxes: tuple[tuple[Tax, int], ...]
    tax_note: str
    owed: int

    @property
    def tax(self) -> int:
        """All taxes together, in micros."""
        return sum(amount for _, amount in self.taxes)

    @property
    def total(self) -> int:
        """Net and taxes, in micros."""
        return self.net + self.tax

    @property
    def month(self) -> str:
        """The month, as 2026-10."""
        return self.period.first.strftime("%Y-%m")

    @property
    def number_text(self) -> str:
        """What the tax office knows it by."""
        return number_text(self.issuer_code, self.kind, self.issue_day.year, self.number)


def number_text(issuer_code: str, kind: InvoiceKind, year: int, number: int) -> str:
    """Such as "HUDHUD-2026-000042", and "HUDHUD-CN-2026-000007" for a credit note."""
    series = "" if kind is InvoiceKind.INVOICE else "CN-"
    return f"{issuer_code}-{series}{year}-{number:06}"


class NumberParts(NamedTuple):
    """What a number says."""

    issuer_code: str
    kind: InvoiceKind
    year: int
    number: int


def parse_number(text: str) -> NumberParts | None:
    """The parts of a number; None for what is none."""
    issuer_code, *series, year, number = text.split("-") if text.count("-") in (2, 3) else [""] * 3
    if series not in ([], ["CN"]) or not (year + number).isascii():
        return None
    if not (year.isdecimal() and number.isdecimal() and len(year) == 4 and len(number) < 19):
        return None
    kind = InvoiceKind.CREDIT_NOTE if series else InvoiceKind.INVOICE
    parts = NumberParts(issuer_code, kind, int(year), int(number))
    return parts if number_text(*parts) == text else None


def invoice_id_of(business_id: UUID, month: date) -> UUID:
    """The id of a month's invoice: there is one, so its tax is booked once."""
    return uuid5(business_id, f"invoice {month:%Y-%m}")


def charged(key: MovementKey, listed: int) -> int:
    """What the business pays of what the card asks."""
    return 0 if key.free_rule is FreeRule.ALLOWANCE else listed


def lines_of(
    captured: Iterable[InvoiceLine], corrections: Iterable[Correction]
) -> tuple[InvoiceLine, ...]:
    """The lines of a document: captures by key and price of a unit, then corrections by key."""
    lines: dict[tuple[MovementKey, int | None, bool], InvoiceLine] = {}
    given = (
        InvoiceLine(each.key, None, 1, each.units, each.amount, each.amount) for each in corrections
    )
    for line in (*captured, *given):
        place = (line.key, line.unit_price, line.amount < 0)
        so_far = lines.get(place)
        if so_far is not None:
            sums = (mine + its for mine, its in zip(so_far[2:], line[2:], strict=True))
            line = InvoiceLine(line.key, line.unit_price, *sums)
        lines[place] = line
    return tuple(
        sorted(
            lines.values(),
            key=lambda line: (
                line.unit_price is None,
                [part or "" for part in line.key],
                line.unit_price or 0,
                line.amount < 0,
            ),
        )
    )


def tax_of(net: int, rate_ppm: int) -> int:
    """The tax of an amount in micros: rounded once, half a micro away from zero."""
    sign = -1 if net < 0 else 1
    return sign * ((abs(net) * rate_ppm * 2 + PPM) // (2 * PPM))


def taxes_of(net: int, taxes: Sequence[Tax]) -> tuple[tuple[Tax, int], ...]:
    """Each tax of an invoice."""
    return tuple((tax, tax_of(net, tax.rate_ppm)) for tax in taxes)


def taxes_given_back(
    net: int, invoice: Invoice, before: Sequence[Invoice]
) -> tuple[tuple[Tax, int], ...]:
    """Each tax of a credit note over `net`, which is below zero.

    It is what brings the tax of all credit notes of the invoice to that of their sum, so that
    nothing is lost or won by rounding, however many there are.
    """
    all_net = net + sum(each.net for each in before)
    given = [sum(each.taxes[place][1] for each in before) for place in range(len(invoice.taxes))]
    return tuple(
        (tax, tax_of(all_net, tax.rate_ppm) - so_far)
        for (tax, _), so_far in zip(invoice.taxes, given, strict=True)
    )
