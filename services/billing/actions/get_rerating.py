"""Owns GetRerating."""

from __future__ import annotations

from uuid import UUID

from services.billing.domain.corrections import Rerating
from services.billing.errors import rerating_not_found
from services.billing.store import reratings
from services.kit.database import Connection, Database


async def get_rerating(database: Database, rerating_id: UUID) -> Rerating:
    """The re-rating. Refuses with RERATING_NOT_FOUND."""
    async with database.connection("get_rerating") as connection:
        return await read_rerating(connection, rerating_id)


async def read_rerating(connection: Connection, rerating_id: UUID) -> Rerating:
    """The re-rating as this connection sees it. Refuses with RERATING_NOT_FOUND."""
    found = await reratings.find_rerating(connection, rerating_id)
    if found is None:
        raise rerating_not_found(rerating_id)
    return found
