"""Owns forgetting: messages that came to their end, and what people wrote, after their time."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from services.kit.clock import Clock
from services.kit.database import Database
from services.messaging.store import messages, windows

log = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 600.0
ROWS_AT_A_TIME: Final = 5000


async def keep_house(database: Database, kept: timedelta, clock: Clock) -> None:
    """Sweep, then rest, for as long as the process lives. Replicas do it beside one another."""
    while True:
        while await sweep(database, kept, clock):
            pass
        await clock.sleep(PAUSE_SECONDS)


async def sweep(database: Database, kept: timedelta, clock: Clock) -> int:
    """Forget some of what was accepted longer ago than `kept`; how many rows, zero at the end.

    A message_id that is forgotten does not become new: billing's ledger knows it for ever, and its
    reservation has ended.
    """
    before = clock.now() - kept
    async with database.transaction("sweep_messages") as connection:
        swept = await messages.sweep(connection, before, ROWS_AT_A_TIME)
    async with database.transaction("sweep_submissions") as connection:
        swept += await windows.sweep_submissions(connection, before, ROWS_AT_A_TIME)
    if swept:
        log.info("swept", extra={"rows": swept})
    return swept
