"""Owns ListModelChanges."""

from __future__ import annotations

from services.kit.database import Database
from services.policy.domain.models import Change
from services.policy.pages import PAGE_SIZE_DEFAULT, number_in, page_of
from services.policy.store import models


async def list_model_changes(
    database: Database, page_size: int, page_token: str
) -> tuple[list[Change], str]:
    """What was done to the models, newest first, and the token of the next page."""
    older_than = number_in(page_token)
    size = page_size or PAGE_SIZE_DEFAULT
    async with database.connection("list_model_changes") as connection:
        found = await models.list_changes(connection, older_than, size + 1)
    return page_of([(change.change_id, change) for change in found], size)
