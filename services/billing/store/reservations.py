"""Owns the rows of what is held for messages, and of what became of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.billing.domain.free_rules import FreeRule
from services.billing.domain.ledger import EntryType, LedgerAccount
from services.billing.domain.money import Money
from services.billing.domain.pricing import Shipment
from services.billing.domain.rates import Category, Channel
from services.billing.domain.reservations import MessageKey, Reservation, ReservationItem
from services.kit.database import Connection

# How many are open, about: PostgreSQL keeps this estimate, and counting would read every row.
SAMPLE: Final = "SELECT n_live_tup FROM pg_stat_user_tables WHERE relname = 'open_reservations'"

# Any number will do, as long as nobody else in the database locks on it: "expiry" in ASCII.
_EXPIRY_LOCK = 0x657870697279


# Of the messages asked for: what `_reservation` reads.
_RESERVATIONS: Final = """
SELECT
    entries.business_id, entries.reference_id, entries.category::text,
    entries.destination_country, entries.window_open, entries.expire_time,
    entries.currency_code, entries.amount_micros, entries.rate_id,
    entries.from_account::text, entries.channel::text, entries.market, entries.units,
    entries.usage_day, entries.free_rule::text
FROM unnest($1::uuid[], $2::uuid[]) AS asked (business_id, message_id)
JOIN entries
    ON entries.business_id = asked.business_id
    AND entries.reference_id = asked.message_id
    AND entries.type = 'reservation'
"""


async def find_reservations(
    connection: Connection, keys: Collection[MessageKey]
) -> dict[MessageKey, Reservation]:
    """What was ever reserved for any of these messages, resolved or not."""
    rows = await connection.fetch(_RESERVATIONS, *_columns(keys))
    return {MessageKey(row[0], row[1]): _reservation(row) for row in rows}


def _reservation(row: asyncpg.Record) -> Reservation:
    category = Category(row[2])
    # The previous release said neither channel nor units: it knew of one.
    channel = Channel(row[10]) if row[10] else Channel.APP
    shipment = Shipment(category.cleared, row[3], row[4], channel, row[12] or 1)
    return Reservation(
        ReservationItem(MessageKey(row[0], row[1]), shipment, row[5]),
        Money(row[6], row[7]),
        LedgerAccount(row[9]),
        row[8],
        category,
        row[11],
        row[13],
        FreeRule(row[14]) if row[14] else None,
    )


# What `_row` says, in its order.
_RESERVATION_COLUMNS: Final = (
    "business_id",
    "reference_id",
    "category",
    "destination_country",
    "window_open",
    "expire_time",
    "currency_code",
    "amount_micros",
    "rate_id",
    "type",
    "from_account",
    "to_account",
    "channel",
    "market",
    "units",
    "usage_day",
    "free_rule",
    "entry_point_time",
    "entry_point_answer_time",
    "create_time",
)


def _row(reservation: Reservation, now: datetime) -> tuple[object, ...]:
    item = reservation.item
    shipment = item.shipment
    return (
        *item.key,
        reservation.category,
        shipment.destination_country,
        shipment.window_open,
        item.expire_time,
        *reservation.amount,
        reservation.rate_id,
        EntryType.RESERVATION,
        reservation.source,
        LedgerAccount.RESERVED,
        shipment.channel,
        reservation.market,
        shipment.units,
        reservation.usage_day,
        reservation.free_rule,
        shipment.entry_point_time,
        shipment.entry_point_answer_time,
        now,
    )


async def insert_reservations(
    connection: Connection, reservations: Iterable[Reservation], now: datetime
) -> None:
    """Hold the price of each message. The business's account has to be held.

    By COPY, which constraints and triggers see as any insert: this many columns as arrays take
    asyncpg longer to write than PostgreSQL takes to store them.
    """
    await connection.copy_records_to_table(
        "entries",
        columns=_RESERVATION_COLUMNS,
        records=[_row(reservation, now) for reservation in reservations],
    )


async def resolve_reservations(
    connection: Connection, resolution: EntryType, keys: Collection[MessageKey], now: datetime
) -> int:
    """Capture, release or expire those of the reservations that are open; tell how many were.

    What is captured is earned, the rest goes back to where it came from. The businesses' accounts
    have to be held.
    """
    status = await connection.execute(
        """
        INSERT INTO entries
            (business_id, type, from_account, to_account, amount_micros, currency_code,
             reference_id, category, channel, market, units, usage_day, free_rule, create_time)
        SELECT
            held.business_id, $3::text::entry_type, 'reserved',
            CASE $3 WHEN 'capture' THEN earned_as(held.category) ELSE held.source END,
            held.amount_micros, held.currency_code, held.message_id, held.category, held.channel,
            held.market, held.units, held.usage_day, held.free_rule, $4
        FROM unnest($1::uuid[], $2::uuid[]) AS asked (business_id, message_id)
        JOIN open_reservations AS held
            ON held.business_id = asked.business_id AND held.message_id = asked.message_id
        """,
        *_columns(keys),
        resolution,
        now,
    )
    return int(status.rpartition(" ")[2])


async def find_late(connection: Connection, keys: Collection[MessageKey]) -> list[Reservation]:
    """The reservations of these messages that expired and have not been charged since."""
    rows = await connection.fetch(
        f"""
        {_RESERVATIONS}
        WHERE EXISTS (
                SELECT FROM entries AS expiry
                WHERE expiry.business_id = asked.business_id
                    AND expiry.reference_id = asked.message_id
                    AND expiry.type = 'expiry'
            )
            AND NOT EXISTS (
                SELECT FROM entries AS late
                WHERE late.business_id = asked.business_id
                    AND late.reference_id = asked.message_id
                    AND late.type = 'late_capture'
            )
        ORDER BY entries.business_id, entries.entry_id
        """,  # noqa: S608 - only constants
        *_columns(keys),
    )
    return [_reservation(row) for row in rows]


async def insert_late_captures(
    connection: Connection, captures: Sequence[Reservation], now: datetime
) -> None:
    """Charge messages whose reservations had expired, each to its `source`.

    The businesses' accounts have to be held.
    """
    items = [capture.item for capture in captures]
    await connection.execute(
        """
        INSERT INTO entries
            (business_id, type, from_account, to_account, amount_micros, currency_code,
             reference_id, category, channel, market, units, usage_day, free_rule, create_time)
        SELECT
            business_id, 'late_capture', source::ledger_account,
            earned_as(category::category), amount_micros, currency_code, message_id,
            category::category, channel::channel, market, units, usage_day,
            free_rule::free_rule, $12
        FROM unnest(
            $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[],
            $7::text[], $8::text[], $9::integer[], $10::date[], $11::text[]
        ) AS added (
            business_id, message_id, category, currency_code, amount_micros, source,
            channel, market, units, usage_day, free_rule
        )
        """,
        *_columns([item.key for item in items]),
        [capture.category for capture in captures],
        [capture.amount.currency_code for capture in captures],
        [capture.amount.amount_micros for capture in captures],
        [capture.source for capture in captures],
        [item.shipment.channel for item in items],
        [capture.market for capture in captures],
        [item.shipment.units for item in items],
        [capture.usage_day for capture in captures],
        [capture.free_rule for capture in captures],
        now,
    )


async def insert_receipts(
    connection: Connection,
    delivered: Collection[MessageKey],
    given_up: Collection[MessageKey],
    now: datetime,
) -> None:
    """Write down what messaging said, once."""
    await connection.execute(
        """
        INSERT INTO receipts (business_id, message_id, delivered, create_time)
        SELECT business_id, message_id, delivered, $4
        FROM unnest($1::uuid[], $2::uuid[], $3::boolean[])
            AS said (business_id, message_id, delivered)
        ON CONFLICT DO NOTHING
        """,
        *_columns([*delivered, *given_up]),
        [True] * len(delivered) + [False] * len(given_up),
        now,
    )


async def insert_unsettled_receipts(
    connection: Connection, wanted: EntryType, keys: Collection[MessageKey], now: datetime
) -> list[MessageKey]:
    """Write down those of the receipts that the ledger says otherwise about; tell which are new.

    `wanted` is CAPTURE or RELEASE. To a release, an expiry says the same; a late capture is one.
    """
    rows = await connection.fetch(
        """
        INSERT INTO unsettled_receipts (business_id, message_id, wanted, found, create_time)
        SELECT asked.business_id, asked.message_id, $3::text::entry_type,
            CASE WHEN late.type IS NULL THEN resolution.type ELSE 'capture' END, $4
        FROM unnest($1::uuid[], $2::uuid[]) AS asked (business_id, message_id)
        LEFT JOIN entries AS resolution
            ON resolution.business_id = asked.business_id
            AND resolution.reference_id = asked.message_id
            AND resolution.type IN ('capture', 'release', 'expiry')
        LEFT JOIN entries AS late
            ON late.business_id = asked.business_id
            AND late.reference_id = asked.message_id
            AND late.type = 'late_capture'
        WHERE resolution.type IS NULL
            OR (resolution.type = 'capture' OR late.type IS NOT NULL) <> ($3 = 'capture')
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
