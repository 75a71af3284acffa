"""Owns what GrantConsent, WithdrawConsent, BlockBusiness and UnblockBusiness have in common."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.kit.database import Database
from services.policy.domain.messages import Decision, Pair
from services.policy.store import preferences


async def decide(
    database: Database, pair: Pair, device_id: UUID, decision: Decision, now: datetime
) -> None:
    """Let the person's decision hold from now on. What is so already changes nothing."""
    async with database.transaction(decision.value) as connection:
        preference = await preferences.lock(connection, pair, now)
        decided = decision.applied_to(preference)
        if decided != preference:
            await preferences.put(connection, pair, decided, decision, device_id, now)
