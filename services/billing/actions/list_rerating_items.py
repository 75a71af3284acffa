"""Owns ListReratingItems."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from services.billing.actions.get_rerating import read_rerating
from services.billing.domain.corrections import Rerating, ReratingItem
from services.billing.domain.ledger import parse_entry_id
from services.billing.errors import page_token_invalid
from services.billing.store import reratings
from services.kit.database import Database

PAGE_SIZE_DEFAULT: Final = 100


async def list_rerating_items(
    database: Database, rerating_id: UUID, page_size: int, page_token: str
) -> tuple[Rerating, list[ReratingItem], str]:
    """The re-rating, a page of its messages, and the token of the next page, empty at the end.

    Refuses with RERATING_NOT_FOUND, and with INVALID_FIELD for a token that is none.
    """
    after = parse_entry_id(page_token) if page_token else 0
    if after is None:
        raise page_token_invalid()
    size = page_size or PAGE_SIZE_DEFAULT
    async with database.connection("list_rerating_items") as connection:
        rerating = await read_rerating(connection, rerating_id)
        # One more than asked for tells whether there is another page.
        found = await reratings.read_items(connection, rerating_id, after, size + 1)
    page = found[:size]
    return rerating, page, str(page[-1].place) if len(found) > size else ""
