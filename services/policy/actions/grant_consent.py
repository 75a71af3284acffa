"""Owns GrantConsent."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.kit.database import Database
from services.policy.actions.decide import decide
from services.policy.domain.messages import Decision, Pair


async def grant_consent(database: Database, pair: Pair, device_id: UUID, now: datetime) -> None:
    """The business may send this person marketing from now on."""
    await decide(database, pair, device_id, Decision.GRANT_CONSENT, now)
