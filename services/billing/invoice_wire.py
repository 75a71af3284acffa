"""Owns the forms of invoices on the wire."""

from __future__ import annotations

from typing import Final

from hudhud.billing.v1 import invoice_pb2
from hudhud.billing.v1 import statement_service_pb2 as pb
from services.billing.domain.invoices import (
    Invoice,
    InvoiceKind,
    InvoiceLine,
    Issuer,
    Party,
    Tax,
    TaxSet,
)
from services.billing.domain.money import Money
from services.billing.domain.periods import parse_day
from services.billing.statement_errors import period_invalid
from services.billing.statement_wire import movement_key
from services.billing.wire import money
from services.kit import rules
from services.kit.errors import Violation

# Zero width joiner and non-joiner: some scripts cannot be written without.
_JOINERS: Final = {0x200C: None, 0x200D: None}

_KINDS: Final = {
    InvoiceKind.INVOICE: invoice_pb2.Invoice.KIND_INVOICE,
    InvoiceKind.CREDIT_NOTE: invoice_pb2.Invoice.KIND_CREDIT_NOTE,
}


def read_party(value: invoice_pb2.Party, field: str) -> Party:
    """One side of an invoice; refuses with INVALID_FIELD what is no line of text."""
    texts = {
        "legal_name": [value.legal_name],
        "address_lines": value.address_lines,
        "tax_id": [value.tax_id],
    }
    for name, lines in texts.items():
        if any(not line.translate(_JOINERS).isprintable() for line in lines):
            raise rules.refusal(
                [Violation(f"{field}.{name}", "must be lines without control characters")]
            )
    if not value.legal_name.strip() or not all(line.strip() for line in value.address_lines):
        raise rules.refusal([Violation(field, "must say something in its name and address lines")])
    return Party(
        value.legal_name.strip(),
        tuple(line.strip() for line in value.address_lines),
        value.country_code,
        value.tax_id.strip(),
    )


def read_issuer(value: invoice_pb2.Issuer) -> Issuer:
    """Who issues invoices; refuses with INVALID_FIELD."""
    party = read_party(value.party, "issuer.party")
    return Issuer(value.issuer_code, party, value.time_zone or "UTC")


def read_taxes(request: pb.SetTaxesRequest) -> TaxSet:
    """The taxes that hold from a day on; refuses with PERIOD_INVALID and INVALID_FIELD."""
    try:
        first_day = parse_day(request.first_day)
    except ValueError as error:
        raise period_invalid(str(error)) from None
    names = [tax.name for tax in request.taxes]
    if not all(name.isprintable() for name in (*names, request.note)):
        raise rules.refusal([Violation("taxes", "must be without control characters")])
    return TaxSet(
        request.issuer_code,
        request.country_code,
        first_day,
        tuple(Tax(tax.name, tax.rate_ppm) for tax in request.taxes),
        request.note,
    )


def party(value: Party) -> invoice_pb2.Party:
    """The form of one side."""
    return invoice_pb2.Party(
        legal_name=value.legal_name,
        address_lines=value.address_lines,
        country_code=value.country_code,
        tax_id=value.tax_id,
    )


def invoice(value: Invoice) -> invoice_pb2.Invoice:
    """The form of a document."""
    currency = value.currency_code
    return invoice_pb2.Invoice(
        invoice_id=str(value.invoice_id),
        kind=_KINDS[value.kind],
        number=value.number_text,
        business_id=str(value.business_id),
        month=value.month,
        issue_time=value.issue_time,
        issue_day=value.issue_day.isoformat(),
        corrects_number=value.corrects_number,
        seller=party(value.seller),
        buyer=party(value.buyer),
        lines=[_line(line, currency) for line in value.lines],
        net=money(Money(currency, value.net)),
        taxes=[
            invoice_pb2.InvoiceTax(
                tax=invoice_pb2.Tax(name=tax.name, rate_ppm=tax.rate_ppm),
                amount=money(Money(currency, amount)),
            )
            for tax, amount in value.taxes
        ],
        tax_note=value.tax_note,
        total=money(Money(currency, value.total)),
        owed=money(Money(currency, value.owed)),
        time_zone=value.period.time_zone,
        issuer_code=value.issuer_code,
    )


def _line(value: InvoiceLine, currency_code: str) -> invoice_pb2.InvoiceLine:
    return invoice_pb2.InvoiceLine(
        key=movement_key(value.key),
        unit_price=(
            None if value.unit_price is None else money(Money(currency_code, value.unit_price))
        ),
        message_count=value.message_count,
        units=value.units,
        list_amount=money(Money(currency_code, value.listed)),
        amount=money(Money(currency_code, value.amount)),
    )
