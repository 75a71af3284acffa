"""Owns ListPreferences."""

from __future__ import annotations

from uuid import UUID

from services.kit.database import Database
from services.policy.domain.messages import Decided
from services.policy.errors import bad_page_token
from services.policy.pages import PAGE_SIZE_DEFAULT
from services.policy.store import preferences


async def list_preferences(
    database: Database, person_id: UUID, page_size: int, page_token: str
) -> tuple[list[Decided], str]:
    """What the person decided, by business, and the token of the next page, empty at the end.

    Refuses with INVALID_FIELD for a token that is none.
    """
    after = None
    if page_token:
        try:
            after = UUID(page_token)
        except ValueError:
            raise bad_page_token() from None
    size = page_size or PAGE_SIZE_DEFAULT
    async with database.connection("list_preferences") as connection:
        # One more than asked for tells whether there is another page.
        found = await preferences.list_page(connection, person_id, after, size + 1)
    page = found[:size]
    return page, str(page[-1].business_id) if len(found) > size else ""
