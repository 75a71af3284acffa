"""Owns UnblockBusiness."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.kit.database import Database
from services.policy.actions.decide import decide
from services.policy.domain.messages import Decision, Pair


async def unblock_business(database: Database, pair: Pair, device_id: UUID, now: datetime) -> None:
    """The business may write to this person again; consent is as it was."""
    await decide(database, pair, device_id, Decision.UNBLOCK_BUSINESS, now)
