"""Owns ClaimKeyBundles."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.identity.domain.ends import KeyBundle
from services.identity.store import ends
from services.kit.database import Connection, Database


async def claim_key_bundles(
    database: Database,
    business_id: UUID,
    end_ids: Sequence[UUID],
    now: datetime,
    *,
    claiming_person_id: UUID | None = None,
) -> list[KeyBundle]:
    """A bundle for each of the ends that exists and is not revoked.

    A business claims devices; a person's device, by `claiming_person_id`, the business's edges.
    Who has had its share of an end's one-time keys gets the fallback key, so that nobody drains it.
    """

    async def claim(connection: Connection) -> list[KeyBundle]:
        if claiming_person_id is None:
            return await ends.claim_bundles(connection, end_ids, business_id, now)
        return await ends.claim_bundles(
            connection, end_ids, claiming_person_id, now, edges_of=business_id
        )

    return await database.run("claim_key_bundles", claim)
