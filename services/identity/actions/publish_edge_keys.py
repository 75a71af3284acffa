"""Owns PublishEdgeKeys."""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID

from services.identity.domain.ends import EndKeys, PublishedKeys
from services.identity.errors import IdentityReasons, business_not_found, key_signature_invalid
from services.identity.store import businesses, ends
from services.kit.database import Connection, Database
from services.kit.errors import CommonReasons, Refusal, Violation


async def publish_edge_keys(
    database: Database, business_id: UUID, edge_id: UUID, keys: PublishedKeys, now: datetime
) -> int:
    """How many one-time keys are left to claim. Refuses with BUSINESS_NOT_FOUND,
    KEY_SIGNATURE_INVALID, EDGE_KEYS_DIFFER, and with INVALID_FIELD where a new edge has no fallback
    key.
    """
    if bad := await asyncio.to_thread(keys.badly_signed):
        raise key_signature_invalid(f"keys.{path}" for path in bad)
    long_term = EndKeys(edge_id, keys.identity_key.public_key, keys.ed25519_key)
    async with database.transaction("publish_edge_keys") as connection:
        known = await ends.lock_end(connection, business_id, edge_id)
        if known is None:
            known = await _insert(connection, business_id, edge_id, keys, now)
        elif keys.fallback_key is not None and known == long_term:
            await ends.set_fallback_key(connection, business_id, edge_id, keys.fallback_key)
        if known != long_term:
            raise Refusal(IdentityReasons.EDGE_KEYS_DIFFER)
        return await ends.add_one_time_keys(
            connection, business_id, edge_id, keys.one_time_keys, now
        )


async def _insert(
    connection: Connection, business_id: UUID, edge_id: UUID, keys: PublishedKeys, now: datetime
) -> EndKeys | None:
    """The keys that are now there: these, or those of a replica that was first by a moment."""
    if keys.fallback_key is None:
        raise Refusal(
            CommonReasons.INVALID_FIELD,
            violations=[Violation("keys.fallback_key", "must be set for a new edge")],
        )
    if await businesses.get_business(connection, business_id) is None:
        raise business_not_found(business_id)
    await ends.insert_end(connection, "edge", business_id, edge_id, keys, keys.fallback_key, now)
    return await ends.lock_end(connection, business_id, edge_id)
