"""Issuers, buyers and months for tests of invoices."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from hudhud.billing.v1 import billing_service_pb2 as billing_pb
from hudhud.billing.v1 import correction_service_pb2 as correction_pb
from hudhud.billing.v1 import invoice_pb2
from hudhud.billing.v1 import statement_service_pb2 as pb
from services.kit.clock import new_id
from tests.billing.house import House
from tests.billing.parties import Business
from tests.billing.periods import first_of_next_month, go_to, open_business_in

ZONE = "Asia/Damascus"
SELLER = invoice_pb2.Party(
    legal_name="شركة هدهد للاتصالات",
    address_lines=["شارع بغداد 12"],
    country_code="SY",
    tax_id="S1",
)
BUYER = invoice_pb2.Party(
    legal_name="Zeytin Gıda A.Ş.", address_lines=["İstiklal Cad. 5"], country_code="TR", tax_id="T2"
)


def new_issuer_code(business: Business) -> str:
    """A code that nobody else issues under: its numbers begin at 1."""
    return f"H{UUID(business.business_id).hex[-9:].upper()}"


async def open_buyer(house: House, micros: int, *, rate_ppm: int = 180_000) -> Business:
    """A business whose invoices can be issued: a buyer, an issuer of its own, and one tax."""
    business = await open_business_in(house, ZONE, micros)
    operator = business.operator
    code = new_issuer_code(business)
    await operator.SetIssuer(
        pb.SetIssuerRequest(
            issuer=invoice_pb2.Issuer(issuer_code=code, party=SELLER, time_zone=ZONE)
        )
    )
    await operator.SetTaxes(
        pb.SetTaxesRequest(
            issuer_code=code,
            country_code="ZZ",
            first_day="2000-01-01",
            taxes=[invoice_pb2.Tax(name="VAT", rate_ppm=rate_ppm)],
            note="Law 4",
        )
    )
    await operator.SetBillingProfile(
        pb.SetBillingProfileRequest(business_id=business.business_id, party=BUYER)
    )
    return business


def go_into_next_month(house: House) -> date:
    """Let time go by until nine o'clock of the first day of a new month; that day."""
    month = first_of_next_month(house)
    go_to(house, month, 9, ZONE)
    return month


def go_past(house: House, month: date) -> None:
    """Let time go by until the month may be closed."""
    go_to(house, (month + timedelta(days=31)).replace(day=1), 2, ZONE)


async def issue(business: Business, first_day: date, /, **change: Any) -> invoice_pb2.Invoice:
    """The invoice of the month that begins on this day."""
    request = pb.IssueInvoiceRequest(
        **{
            "business_id": business.business_id,
            "month": f"{first_day:%Y-%m}",
            "issuer_code": new_issuer_code(business),
            **change,
        }
    )
    invoice: invoice_pb2.Invoice = (await business.operator.IssueInvoice(request)).invoice
    return invoice


async def give_back(business: Business, message_id: str, micros: int) -> None:
    """The ledger gives back a part of what a message was charged."""
    request = billing_pb.ListEntriesRequest(
        business_id=business.business_id, reference_id=message_id
    )
    [capture] = [
        entry
        for entry in (await business.operator.ListEntries(request)).entries
        if entry.type == entry.TYPE_CAPTURE
    ]
    await business.operator.CreateCreditNote(
        correction_pb.CreateCreditNoteRequest(
            credit_note_id=str(new_id()),
            business_id=business.business_id,
            entry_id=capture.entry_id,
            amount=business.money(micros),
            reason="tested",
        )
    )
