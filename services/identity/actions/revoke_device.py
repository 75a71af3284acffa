"""Owns RevokeDevice."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.identity.domain.ends import Device
from services.identity.errors import IdentityReasons
from services.identity.store import ends, people
from services.kit.database import Database
from services.kit.errors import Refusal


async def revoke_device(
    database: Database, person_id: UUID, device_id: UUID, now: datetime
) -> Device:
    """The device, revoked now or before. Refuses with DEVICE_NOT_FOUND."""
    async with database.transaction("revoke_device") as connection:
        await ends.revoke_end(connection, person_id, device_id, now)
        device = await people.get_device(connection, person_id, device_id)
    if device is None:
        raise Refusal(IdentityReasons.DEVICE_NOT_FOUND)
    return device
