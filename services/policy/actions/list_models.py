"""Owns ListModels."""

from __future__ import annotations

from services.kit.database import Database
from services.policy.domain.models import KeptModel, State
from services.policy.pages import PAGE_SIZE_DEFAULT, number_in, page_of
from services.policy.store import models


async def list_models(
    database: Database, page_size: int, page_token: str
) -> tuple[list[tuple[KeptModel, State]], str]:
    """Models with what each does now, newest first, and the token of the next page."""
    older_than = number_in(page_token)
    size = page_size or PAGE_SIZE_DEFAULT
    async with database.connection("list_models") as connection:
        found = await models.list_page(connection, older_than, size + 1)
        roles = await models.get_roles(connection)
    page, next_page_token = page_of(found, size)
    return [(model, roles.state_of(model)) for model in page], next_page_token
