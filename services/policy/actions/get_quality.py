"""Owns GetQuality."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.kit.database import Database
from services.policy.store import reports, verdicts

PERIOD: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Quality:
    """How a business's messages fared lately."""

    counts: verdicts.Counts
    reported: int


async def get_quality(database: Database, business_id: UUID, now: datetime) -> Quality:
    """Counted from the rows themselves, over the last seven days."""
    since = now - PERIOD
    async with database.transaction(
        "get_quality", isolation="repeatable_read", read_only=True
    ) as connection:
        return Quality(
            await verdicts.count(connection, business_id, since),
            await reports.count(connection, business_id, since),
        )
