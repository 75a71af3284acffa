"""Owns ListShadowDisagreements."""

from __future__ import annotations

from services.kit.database import Database
from services.policy.actions.get_shadow_report import last_shadow
from services.policy.domain.shadows import Disagreement
from services.policy.pages import PAGE_SIZE_DEFAULT, number_in, page_of
from services.policy.store import shadows


async def list_shadow_disagreements(
    database: Database, version: str, page_size: int, page_token: str
) -> tuple[list[Disagreement], str]:
    """Messages, newest first, and the token of the next page. Refuses with SHADOW_NOT_FOUND."""
    older_than = number_in(page_token)
    size = page_size or PAGE_SIZE_DEFAULT
    async with database.connection("list_shadow_disagreements") as connection:
        began = await last_shadow(connection, version)
        found = await shadows.list_disagreements(connection, began.change_id, older_than, size + 1)
    return page_of(found, size)
