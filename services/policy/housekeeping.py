"""Owns forgetting: what nobody will ask about again, each after its time."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from services.kit.clock import Clock
from services.kit.database import Database
from services.policy.artifacts import sweep_artifacts
from services.policy.domain.labels import KEPT
from services.policy.store import labels, replicas, reports, shadows, verdicts

log = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 600.0
# For so long a message_id is known again; longer than any message waits for its device.
VERDICTS_KEPT: Final = timedelta(days=40)
# So long a report is counted and can be proven.
REPORTS_KEPT: Final = timedelta(days=180)
ROWS_AT_A_TIME: Final = 5000


async def keep_house(database: Database, clock: Clock) -> None:
    """Sweep, then rest, for as long as the process lives. Replicas do it beside one another."""
    while True:
        while await sweep(database, clock) == ROWS_AT_A_TIME:
            pass
        await sweep_artifacts(database, clock)
        await clock.sleep(PAUSE_SECONDS)


async def sweep(database: Database, clock: Clock) -> int:
    """Delete some of what is no longer needed; how many rows."""
    async with database.transaction("sweep_verdicts") as connection:
        before = clock.now() - VERDICTS_KEPT
        swept = await verdicts.sweep(connection, before, ROWS_AT_A_TIME)
        await shadows.sweep(connection, before)
        await replicas.sweep(connection)
        await labels.sweep(connection, clock.now() - KEPT)
        await reports.sweep(connection, clock.now() - REPORTS_KEPT)
    if swept:
        log.info("swept", extra={"rows": swept})
    return swept
