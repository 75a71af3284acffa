"""Owns BlockBusiness."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.kit.database import Database
from services.policy.actions.decide import decide
from services.policy.domain.messages import Decision, Pair


async def block_business(database: Database, pair: Pair, device_id: UUID, now: datetime) -> None:
    """Nothing from the business reaches this person from now on."""
    await decide(database, pair, device_id, Decision.BLOCK_BUSINESS, now)
