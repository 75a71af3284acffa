"""Owns ListWaiting."""

from __future__ import annotations

from services.kit.database import Database
from services.policy.domain.labels import Kind, LabelEntry
from services.policy.pages import PAGE_SIZE_DEFAULT, number_in, page_of
from services.policy.store import labels


async def list_waiting(
    database: Database, kind: Kind | None, page_size: int, page_token: str
) -> tuple[list[tuple[LabelEntry, int]], str]:
    """What waits for a reviewer, each with how many said it, the oldest first, and the token of the
    next page, empty at the end.
    """
    after = number_in(page_token) or 0
    size = page_size or PAGE_SIZE_DEFAULT
    async with database.connection("list_waiting") as connection:
        found = await labels.list_waiting(connection, kind, after, size + 1)
    return page_of([(number, (entry, count)) for number, entry, count in found], size)
