"""Owns GetAppeal."""

from __future__ import annotations

from uuid import UUID

from services.kit.database import Database
from services.kit.errors import Refusal
from services.policy.domain.labels import Appeal
from services.policy.errors import PolicyReasons
from services.policy.store import labels


async def get_appeal(database: Database, business_id: UUID, message_id: UUID) -> Appeal:
    """The appeal about a message. Refuses with APPEAL_NOT_FOUND."""
    async with database.connection("get_appeal") as connection:
        entry = await labels.get_appeal(connection, business_id, message_id)
        if entry is None:
            raise Refusal(PolicyReasons.APPEAL_NOT_FOUND, metadata={"message_id": str(message_id)})
        return Appeal(entry, await labels.last_review(connection, entry.wording))
