"""Owns ListDevices."""

from __future__ import annotations

from uuid import UUID

from services.identity.domain.ends import Device
from services.identity.store import people
from services.kit.database import Database


async def list_devices(database: Database, person_id: UUID) -> list[Device]:
    """The person's devices in force, oldest first."""
    async with database.connection("list_devices") as connection:
        return await people.list_devices(connection, person_id)
