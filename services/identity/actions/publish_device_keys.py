"""Owns PublishDeviceKeys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.identity.domain.ends import SignedKey, badly_signed
from services.identity.errors import IdentityReasons, key_signature_invalid
from services.identity.store import ends
from services.kit.database import Database
from services.kit.errors import Refusal


async def publish_device_keys(
    database: Database,
    person_id: UUID,
    device_id: UUID,
    one_time_keys: Sequence[SignedKey],
    fallback_key: SignedKey | None,
    now: datetime,
) -> int:
    """How many one-time keys are left to claim. Refuses with DEVICE_NOT_FOUND,
    KEY_SIGNATURE_INVALID.
    """
    async with database.connection("get_device_keys") as connection:
        end = await ends.get_end(connection, person_id, device_id)
    if end is None:
        raise Refusal(IdentityReasons.DEVICE_NOT_FOUND)
    bad = await asyncio.to_thread(badly_signed, end.ed25519_key, one_time_keys, fallback_key)
    if bad:
        raise key_signature_invalid(bad)
    async with database.transaction("publish_device_keys") as connection:
        # It may have been revoked meanwhile.
        if await ends.lock_end(connection, person_id, device_id) is None:
            raise Refusal(IdentityReasons.DEVICE_NOT_FOUND)
        if fallback_key is not None:
            await ends.set_fallback_key(connection, person_id, device_id, fallback_key)
        return await ends.add_one_time_keys(connection, person_id, device_id, one_time_keys, now)
