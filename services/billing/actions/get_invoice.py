"""Owns GetInvoice."""

from __future__ import annotations

from uuid import UUID

from services.billing.domain.invoices import Invoice, parse_number
from services.billing.errors import BillingReasons
from services.billing.statement_errors import invoice_refused
from services.billing.store import invoices
from services.kit.database import Connection, Database


async def get_invoice(database: Database, business_id: UUID, number: str) -> Invoice:
    """A business's invoice or credit note. Refuses with INVOICE_NOT_FOUND."""
    async with database.connection("get_invoice") as connection:
        return await invoice_of(connection, business_id, number)


async def invoice_of(connection: Connection, business_id: UUID, number: str) -> Invoice:
    """The same, inside a transaction of the caller's."""
    parts = parse_number(number)
    invoice = parts and await invoices.find_invoice(connection, business_id, parts)
    if invoice is None:
        raise invoice_refused(BillingReasons.INVOICE_NOT_FOUND, number=number)
    return invoice
