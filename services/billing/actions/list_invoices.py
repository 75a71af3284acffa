"""Owns ListInvoices."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from services.billing.domain.invoices import Invoice
from services.billing.errors import page_token_invalid
from services.billing.store import invoices
from services.kit.database import Database

PAGE_SIZE_DEFAULT: Final = 100


async def list_invoices(
    database: Database, business_id: UUID, page_size: int, page_token: str
) -> tuple[list[Invoice], str]:
    """A business's documents without lines, newest first, and the token of the next page.

    Refuses with INVALID_FIELD for a token that is none.
    """
    try:
        before = UUID(page_token) if page_token else None
    except ValueError:
        raise page_token_invalid() from None
    size = page_size or PAGE_SIZE_DEFAULT
    async with database.connection("list_invoices") as connection:
        # One more than asked for tells whether there is another page.
        found = await invoices.list_invoices(connection, business_id, before, size + 1)
    page = found[:size]
    return page, str(page[-1].invoice_id) if len(found) > size else ""
