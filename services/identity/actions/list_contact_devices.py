"""Owns ListContactDevices."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.identity.domain.ends import EndKeys
from services.identity.store import ends
from services.kit.database import Database
from services.kit.pairwise import PairwiseIds


async def list_contact_devices(
    database: Database, pairwise: PairwiseIds, business_id: UUID, contact_ids: Sequence[str]
) -> list[list[EndKeys]]:
    """The devices of each contact, in the order asked for; an unknown contact has none."""
    people: list[UUID | None] = []
    for contact_id in contact_ids:
        opened = pairwise.open(business_id, contact_id)
        people.append(opened[0] if opened else None)
    known = {person_id for person_id in people if person_id is not None}
    async with database.connection("list_contact_devices") as connection:
        devices = await ends.list_ends(connection, "device", list(known))
    return [devices.get(person_id, []) if person_id else [] for person_id in people]
