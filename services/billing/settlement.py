"""Owns what becomes of reservations: captured or released by messaging's events, expired by time.

Each is resolved exactly once, whatever comes twice, late or out of order. A message that was
delivered after its reservation had expired is charged by a new entry, at the price of its
acceptance. A receipt that the ledger says otherwise about books nothing: it is written down as
unsettled, and CheckLedger names it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from services.billing.domain.ledger import EntryType
from services.billing.domain.money import Money
from services.billing.domain.reservations import MessageKey, charge_late
from services.billing.store import accounts, reservations
from services.kit.database import Connection, Database

log = logging.getLogger(__name__)

# Few enough that the accounts they belong to are held for milliseconds.
EXPIRED_AT_ONCE_MAX: Final = 500


async def settle_reservations(
    database: Database, captured: Collection[MessageKey], released: Collection[MessageKey]
) -> None:
    """Capture what was delivered and release what was refused or given up.

    A message that is in both was delivered: it is captured, and its release stays unsettled.
    """

    async def settle(connection: Connection) -> list[MessageKey]:
        held = await accounts.hold_accounts(
            connection, {key.business_id for key in (*captured, *released)}
        )
        now = database.clock.now()
        await reservations.insert_receipts(connection, captured, released, now)
        unsettled: list[MessageKey] = []
        for resolution, keys in ((EntryType.CAPTURE, captured), (EntryType.RELEASE, released)):
            if not keys:
                continue
            resolved = await reservations.resolve_reservations(connection, resolution, keys, now)
            if resolved == len(keys):
                continue
            if resolution is EntryType.CAPTURE:
                await _capture_late(connection, keys, held, now)
            unsettled += await reservations.insert_unsettled_receipts(
                connection, resolution, keys, now
            )
        return unsettled

    for key in await database.run("settle_reservations", settle):
        log.warning(
            "receipt not booked",
            extra={"business_id": key.business_id, "message_id": key.message_id},
        )


async def _capture_late(
    connection: Connection,
    keys: Collection[MessageKey],
    held: Mapping[UUID, Money],
    now: datetime,
) -> None:
    """Charge those of the messages whose reservations had expired before they were delivered."""
    late = await reservations.find_late(connection, keys)
    if late:
        available = {business_id: money.amount_micros for business_id, money in held.items()}
        await reservations.insert_late_captures(connection, charge_late(late, available), now)


async def expire_reservations(database: Database, count_max: int = EXPIRED_AT_ONCE_MAX) -> int:
    """Give back what is held for messages of which nobody said anything in time; tell how many.

    At most `count_max`: call again while it finds as many. Replicas may all do this: one at a time
    does the work.
    """

    async def expire(connection: Connection) -> int:
        now = database.clock.now()
        overdue = await reservations.find_overdue(connection, now, count_max)
        if not overdue:
            return 0
        # Between the look and the lock some may have been captured; only what is still open, is
        # resolved.
        await accounts.hold_accounts(connection, {key.business_id for key in overdue})
        return await reservations.resolve_reservations(connection, EntryType.EXPIRY, overdue, now)

    return await database.run("expire_reservations", expire)


async def keep_expiring(database: Database, interval_seconds: float) -> None:
    """Expire reservations until cancelled, every `interval_seconds` all that ran out."""
    while True:
        count = await expire_reservations(database)
        if count:
            log.info("reservations expired", extra={"count": count})
        if count < EXPIRED_AT_ONCE_MAX:
            await database.clock.sleep(interval_seconds)
