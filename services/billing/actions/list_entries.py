"""Owns ListEntries."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from services.billing.actions.read_period import period_of
from services.billing.domain.ledger import Entry, parse_entry_id
from services.billing.domain.statements import MovementKey
from services.billing.errors import account_not_found, page_token_invalid
from services.billing.store import accounts, entries
from services.kit.database import Database

PAGE_SIZE_DEFAULT: Final = 100


async def list_entries(
    database: Database,
    business_id: UUID,
    reference_id: UUID | None,
    page_size: int,
    page_token: str,
    days: tuple[str, str] | None = None,
    movement: MovementKey | None = None,
) -> tuple[list[Entry], str]:
    """A business's entries, newest first, and the token of the next page, empty at the end.

    With `days` only those of this period, and with `movement` only those behind this line of its
    statement. Refuses with ACCOUNT_NOT_FOUND, PERIOD_INVALID, and with INVALID_FIELD for a token
    that is none.
    """
    before = parse_entry_id(page_token)
    if page_token and before is None:
        raise page_token_invalid()
    size = page_size or PAGE_SIZE_DEFAULT
    async with database.transaction("list_entries", read_only=True) as connection:
        if await accounts.get_account(connection, business_id) is None:
            raise account_not_found(business_id)
        # One more than asked for tells whether there is another page.
        if days is None:
            found = await entries.list_entries(
                connection, business_id, reference_id, before, size + 1
            )
        else:
            _, period = await period_of(connection, business_id, *days)
            found = await entries.list_entries_of(
                connection, business_id, period, movement, reference_id, before, size + 1
            )
    page = found[:size]
    return page, str(page[-1].entry_id) if len(found) > size else ""
