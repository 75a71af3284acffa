"""Owns what others must learn: events written in the transaction that made them true."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.kit.database import Connection, Database

# JetStream refuses a message of more than 1 MiB, headers included. Refusing it here, in the
# transaction, is better than an event that can never leave.
PAYLOAD_BYTES_MAX = 512 * 1024
SUBJECT = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    `event_id` is the consumers' idempotency key: derive it from what happened where a retry must
    give the same one. `subject` is dotted, such as `hudhud.messaging.message.delivered`. `payload`
    is a serialized message of the contract. `trace` holds headers that continue a trace.
    """

    event_id: UUID
    subject: str
    payload: bytes
    trace: Mapping[str, str] | None = None


# One statement for any number of events: one round trip, one plan.
APPEND = """
WITH appended AS (
    INSERT INTO outbox (event_id, subject, payload, trace)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::jsonb[])
    RETURNING id
)
INSERT INTO outbox_pending (id) SELECT id FROM appended
"""


async def append(connection: Connection, events: Sequence[Event]) -> None:
    """Write events in the caller's transaction; call `Relay.wake()` after it commits.

    Raises `ValueError` for an event that could never be relayed, and
    `asyncpg.UniqueViolationError` for an event_id that is there already.
    """
    if not events:
        return
    for event in events:
        if len(event.payload) > PAYLOAD_BYTES_MAX:
            raise ValueError(f"an event of {len(event.payload)} bytes: {event.subject}")
        if SUBJECT.fullmatch(event.subject) is None:
            raise ValueError(f"not a subject to publish to: {event.subject!r}")
    await connection.execute(
        APPEND,
        [event.event_id for event in events],
        [event.subject for event in events],
        [event.payload for event in events],
        [dict(event.trace) if event.trace else None for event in events],
    )


DELETE_EVENTS = """
WITH oldest AS (SELECT id, create_time FROM outbox ORDER BY id LIMIT $2)
DELETE FROM outbox
USING oldest
WHERE outbox.id = oldest.id
  AND oldest.create_time < now() - $1::interval
  AND NOT EXISTS (SELECT FROM outbox_pending AS pending WHERE pending.id = oldest.id)
"""

DELETE_BATCHES = """
DELETE FROM relay_batches WHERE (stream, sequence_max) IN (
    SELECT stream, sequence_max FROM relay_batches
    WHERE relay_time < now() - $1::interval
    ORDER BY stream, sequence_max LIMIT $2
)
"""


async def delete_old(
    database: Database, *, retention: timedelta = timedelta(days=7), batch_max: int = 5000
) -> int:
    """Delete relayed events older than `retention`, in small transactions; return how many.

    The leading relay does this by itself.
    """
    total = await _delete(database, DELETE_EVENTS, retention, batch_max)
    await _delete(database, DELETE_BATCHES, retention, batch_max)
    return total


async def _delete(database: Database, statement: str, retention: timedelta, batch_max: int) -> int:
    total = 0
    while True:
        async with database.connection("delete_old_events") as connection:
            status = await connection.execute(statement, retention, batch_max)
        deleted = int(status.rpartition(" ")[2])
        total += deleted
        if deleted < batch_max:
            return total
