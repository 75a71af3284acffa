"""Owns forgetting: numbers of registrations that are over, keys that were given out, old counts."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from services.identity.domain.ends import CLAIMS_PERIOD
from services.identity.domain.registrations import CODE_LIMITS_PERIOD
from services.identity.store import ends, registrations
from services.kit.clock import Clock
from services.kit.database import Database

log = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 600.0
# For so long a one-time key that was given out is known again when its end publishes it again.
CLAIMED_KEYS_KEPT: Final = timedelta(days=30)


async def keep_house(database: Database, clock: Clock) -> None:
    """Sweep, then rest, for as long as the process lives. Replicas do it beside one another."""
    while True:
        while await sweep(database, clock):
            pass
        await clock.sleep(PAUSE_SECONDS)


async def sweep(database: Database, clock: Clock) -> int:
    """Delete some of what is no longer needed; how many rows, zero when nothing is left."""
    now = clock.now()
    async with database.transaction("sweep_registrations") as connection:
        swept = await registrations.sweep(connection, now - CODE_LIMITS_PERIOD)
    async with database.transaction("sweep_ends") as connection:
        swept += await ends.sweep(connection, now - CLAIMED_KEYS_KEPT, now - CLAIMS_PERIOD)
    if swept:
        log.info("swept", extra={"rows": swept})
    return swept
