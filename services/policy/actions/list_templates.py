"""Owns ListTemplates."""

from __future__ import annotations

from uuid import UUID

from services.kit.database import Database
from services.policy.domain.wordings import Template
from services.policy.pages import PAGE_SIZE_DEFAULT, number_in, page_of
from services.policy.store import templates


async def list_templates(
    database: Database, business_id: UUID, page_size: int, page_token: str
) -> tuple[list[Template], str]:
    """Templates, newest first, and the token of the next page, empty at the end.

    Refuses with INVALID_FIELD for a token that is none.
    """
    older_than = number_in(page_token)
    size = page_size or PAGE_SIZE_DEFAULT
    async with database.connection("list_templates") as connection:
        # One more than asked for tells whether there is another page.
        found = await templates.list_page(connection, business_id, older_than, size + 1)
    return page_of(found, size)
