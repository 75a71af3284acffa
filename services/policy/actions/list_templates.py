"""Owns ListTemplates."""

from __future__ import annotations

from uuid import UUID

from services.kit.database import Database
from services.policy.domain.wordings import Template
from services.policy.errors import bad_page_token
from services.policy.store import templates

PAGE_SIZE_DEFAULT = 100
_SUBMISSION_MAX = 2**63 - 1


async def list_templates(
    database: Database, business_id: UUID, page_size: int, page_token: str
) -> tuple[list[Template], str]:
    """Templates, newest first, and the token of the next page, empty at the end.

    Refuses with INVALID_FIELD for a token that is none.
    """
    before = None
    if page_token:
        if not (page_token.isascii() and page_token.isdecimal()):
            raise bad_page_token()
        before = int(page_token)
        if before > _SUBMISSION_MAX:
            raise bad_page_token()
    size = page_size or PAGE_SIZE_DEFAULT
    async with database.connection("list_templates") as connection:
        # One more than asked for tells whether there is another page.
        found = await templates.list_page(connection, business_id, before, size + 1)
    page = found[:size]
    next_page_token = str(page[-1][0]) if len(found) > size else ""
    return [template for _, template in page], next_page_token
