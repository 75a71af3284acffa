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


# One stretch of the outbox, by id and so nearly by age: what is old and relayed goes.
DELETE_EVENTS = """
WITH stretch AS (
    SELECT id, create_time < now() - $1::interval AS old
    FROM outbox WHERE id > $2 ORDER BY id LIMIT $3
), deletable AS (
    SELECT id FROM stretch
    WHERE old AND NOT EXISTS (SELECT FROM outbox_pending AS pending WHERE pending.id = stretch.id)
), deleted AS (
    DELETE FROM outbox WHERE id = ANY (ARRAY (SELECT id FROM deletable)) RETURNING id
)
SELECT (SELECT count(*) FROM deleted) AS deleted_count,
       max(id) AS last_id,
       count(*) FILTER (WHERE old) AS old_count
FROM stretch
"""

DELETE_BATCHES = "DELETE FROM relay_batches WHERE relay_time < now() - $1::interval"

# An event deleted in the moment in which it was put back for a lost stream leaves one of these.
DELETE_ORPHANS = """
DELETE FROM outbox_pending AS pending
WHERE replay AND NOT EXISTS (SELECT FROM outbox WHERE outbox.id = pending.id)
"""


async def delete_old(
    database: Database, *, retention: timedelta = timedelta(days=7), batch_max: int = 5000
) -> int:
    """Delete relayed events older than `retention`, in small transactions; return how many.

    The leading relay does this by itself.
    """
    deleted_count, last_id, old_count = 0, 0, batch_max
    while old_count == batch_max:
        async with database.connection("delete_old_events") as connection:
            row = await connection.fetchrow(DELETE_EVENTS, retention, last_id, batch_max)
        assert row is not None
        deleted_count += row["deleted_count"]
        last_id, old_count = row["last_id"], row["old_count"]
    async with database.connection("delete_old_batches") as connection:
        await connection.execute(DELETE_BATCHES, retention)
        await connection.execute(DELETE_ORPHANS)
    return deleted_count
