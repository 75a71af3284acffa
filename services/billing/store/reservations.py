"""Owns the rows of what is held for messages, and of what became of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from services.billing.domain.ledger import EntryType, LedgerAccount
from services.billing.domain.money import Money
from services.billing.domain.rates import Category
from services.billing.domain.reservations import MessageKey, Reservation, ReservationItem
from services.kit.database import Connection

# Any number will do, as long as nobody else in the database locks on it: "expiry" in ASCII.
_EXPIRY_LOCK = 0x657870697279

# Where the money goes that was held.
_DESTINATIONS: Final = {
    EntryType.CAPTURE: LedgerAccount.REVENUE,
    EntryType.RELEASE: LedgerAccount.AVAILABLE,
    EntryType.EXPIRY: LedgerAccount.AVAILABLE,
}


async def find_reservations(
    connection: Connection, keys: Collection[MessageKey]
) -> dict[MessageKey, Reservation]:
    """What was ever reserved for any of these messages, resolved or not."""
    rows = await connection.fetch(
        """
        SELECT
            entries.business_id, entries.reference_id, entries.category::text,
            entries.destination_country, entries.window_open, entries.expire_time,
            entries.currency_code, entries.amount_micros, entries.rate_id
        FROM unnest($1::uuid[], $2::uuid[]) AS asked (business_id, message_id)
        JOIN entries
            ON entries.business_id = asked.business_id
            AND entries.reference_id = asked.message_id
            AND entries.type = 'reservation'
        """,
        *_columns(keys),
    )
    found = {}
    for row in rows:
        key = MessageKey(row[0], row[1])
        item = ReservationItem(key, Category(row[2]), row[3], row[4], row[5])
        found[key] = Reservation(item, Money(row[6], row[7]), row[8])
    return found


async def insert_reservations(
    connection: Connection, reservations: Sequence[Reservation], now: datetime
) -> None:
    """Hold the price of each message. The business's account has to be held."""
    items = [reservation.item for reservation in reservations]
    await connection.execute(
        """
        INSERT INTO entries
            (business_id, type, from_account, to_account, amount_micros, currency_code,
             reference_id, category, destination_country, window_open, expire_time, rate_id,
             create_time)
        SELECT
            business_id, 'reservation', 'available', 'reserved', amount_micros, currency_code,
            message_id, category::category, destination_country, window_open, expire_time, rate_id,
            $10
        FROM unnest(
            $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::boolean[], $6::timestamptz[],
            $7::text[], $8::bigint[], $9::bigint[]
        ) AS added (
            business_id, message_id, category, destination_country, window_open, expire_time,
            currency_code, amount_micros, rate_id
        )
        """,
        *_columns([item.key for item in items]),
        [item.category for item in items],
        [item.destination_country for item in items],
        [item.window_open for item in items],
        [item.expire_time for item in items],
        [reservation.price.currency_code for reservation in reservations],
        [reservation.price.amount_micros for reservation in reservations],
        [reservation.rate_id for reservation in reservations],
        now,
    )


async def resolve_reservations(
    connection: Connection, resolution: EntryType, keys: Collection[MessageKey], now: datetime
) -> int:
    """Capture, release or expire those of the reservations that are open; tell how many were.

    The businesses' accounts have to be held.
    """
    status = await connection.execute(
        """
        INSERT INTO entries
            (business_id, type, from_account, to_account, amount_micros, currency_code,
             reference_id, category, create_time)
        SELECT
            held.business_id, $3::text::entry_type, 'reserved', $4::text::ledger_account,
            held.amount_micros, held.currency_code, held.message_id, held.category, $5
        FROM unnest($1::uuid[], $2::uuid[]) AS asked (business_id, message_id)
        JOIN open_reservations AS held
            ON held.business_id = asked.business_id AND held.message_id = asked.message_id
        """,
        *_columns(keys),
        resolution,
        _DESTINATIONS[resolution],
        now,
    )
    return int(status.rpartition(" ")[2])


async def insert_unsettled_receipts(
    connection: Connection, wanted: EntryType, keys: Collection[MessageKey], now: datetime
) -> list[MessageKey]:
    """Write down those of the receipts that the ledger says otherwise about; tell which are new.

    `wanted` is CAPTURE or RELEASE. To a release, an expiry says the same.
    """
    rows = await connection.fetch(
        """
        INSERT INTO unsettled_receipts (business_id, message_id, wanted, found, create_time)
        SELECT asked.business_id, asked.message_id, $3::text::entry_type, resolution.type, $4
        FROM unnest($1::uuid[], $2::uuid[]) AS asked (business_id, message_id)
        LEFT JOIN entries AS resolution
            ON resolution.business_id = asked.business_id
            AND resolution.reference_id = asked.message_id
            AND resolution.type IN ('capture', 'release', 'expiry')
        WHERE resolution.type IS NULL OR (resolution.type = 'capture') <> ($3 = 'capture')
        ON CONFLICT (business_id, message_id, wanted) DO NOTHING
        RETURNING business_id, message_id
        """,
        *_columns(keys),
        wanted,
        now,
    )
    return [MessageKey(row[0], row[1]) for row in rows]


async def find_overdue(connection: Connection, now: datetime, count: int) -> list[MessageKey]:
    """At most `count` open reservations that ran out, longest ago first.

    None while another transaction is at it: one at a time is enough, and two would find the same.
    """
    if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _EXPIRY_LOCK):
        return []
    rows = await connection.fetch(
        """
        SELECT business_id, message_id
        FROM open_reservations
        WHERE expire_time <= $1
        ORDER BY expire_time
        LIMIT $2
        """,
        now,
        count,
    )
    return [MessageKey(row[0], row[1]) for row in rows]


def _columns(keys: Iterable[MessageKey]) -> tuple[list[UUID], list[UUID]]:
    pairs = list(keys)
    return [business_id for business_id, _ in pairs], [message_id for _, message_id in pairs]
