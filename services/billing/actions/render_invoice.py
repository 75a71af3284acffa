"""Owns RenderInvoice."""

from __future__ import annotations

import asyncio
from typing import NamedTuple
from uuid import UUID

from services.billing.actions.get_invoice import get_invoice
from services.billing.documents.fonts import NotPrintable
from services.billing.documents.invoice_csv import invoice_csv
from services.billing.documents.invoice_pdf import invoice_pdf
from services.billing.statement_errors import invoice_not_printable
from services.kit.database import Database


class Rendered(NamedTuple):
    """A file and what it is."""

    content: bytes
    media_type: str


async def render_invoice(
    database: Database, business_id: UUID, number: str, *, as_csv: bool, language: str
) -> Rendered:
    """A document as a file. Refuses with INVOICE_NOT_FOUND and INVOICE_NOT_PRINTABLE."""
    invoice = await get_invoice(database, business_id, number)
    if as_csv:
        return Rendered(invoice_csv(invoice).encode(), "text/csv")
    try:
        # Shaping text is work: beside the event loop.
        content = await asyncio.to_thread(invoice_pdf, invoice, language)
    except NotPrintable as error:
        raise invoice_not_printable(number, error.letters) from None
    return Rendered(content, "application/pdf")
