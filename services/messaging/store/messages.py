"""Owns the SQL of messages from businesses to people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from services.kit.database import Connection
from services.messaging.domain import Message, MessageKey, Price, SealedCopy, State
from services.messaging.store.columns import columns

MESSAGE = """
    m.person_id, m.business_id, m.message_id, m.body_sha256, m.contact_id, m.kind, m.category,
    m.state, m.copies_left, m.currency_code, m.amount_micros,
    m.accept_time, m.update_time, m.expire_time
"""

READ_MESSAGES = f"""
SELECT {MESSAGE}
FROM unnest($1::uuid[], $2::uuid[]) AS wanted (business_id, message_id)
JOIN messages AS m USING (business_id, message_id)
"""  # noqa: S608 - only constants


async def read_messages(
    connection: Connection, ids: Iterable[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], Message]:
    """Those of these messages that there are, by business_id and message_id."""
    rows = await connection.fetch(READ_MESSAGES, *columns(ids, 2))
    return {(row[1], row[2]): message_of(row) for row in rows}


# In the order of the key: whoever locks several locks them in the same order as everybody else.
LOCK_MESSAGES = f"""
SELECT {MESSAGE}
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS wanted (person_id, business_id, message_id)
JOIN messages AS m USING (person_id, business_id, message_id)
ORDER BY m.person_id, m.business_id, m.message_id
FOR UPDATE OF m
"""  # noqa: S608 - only constants


async def lock_messages(
    connection: Connection, keys: Iterable[MessageKey]
) -> dict[MessageKey, Message]:
    """Those of these messages that there are; they stay as they are until the transaction ends."""
    rows = await connection.fetch(LOCK_MESSAGES, *columns(keys, 3))
    return {message.key: message for message in map(message_of, rows)}


INSERT_MESSAGES = """
INSERT INTO messages (
    person_id, business_id, message_id, body_sha256, contact_id, kind, category,
    state, copies_left, currency_code, amount_micros, accept_time, update_time, expire_time
)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::bytea[], $5::text[], $6::smallint[], $7::smallint[],
    $8::smallint[], $9::smallint[], $10::text[], $11::bigint[],
    $12::timestamptz[], $13::timestamptz[], $14::timestamptz[]
)
ON CONFLICT DO NOTHING
RETURNING person_id, business_id, message_id
"""


# The copies of what was there before stay out of the mailboxes. IS TRUE keeps the planner from
# making a join of it, which without hash joins would compare every copy with every message.
INSERT_MESSAGES_WITH_COPIES = f"""
WITH stored AS ({INSERT_MESSAGES}),
put AS (
    INSERT INTO device_envelopes (
        person_id, business_id, message_id, device_id, expire_time, envelope
    )
    SELECT person_id, business_id, message_id, device_id, expire_time, envelope
    FROM unnest(
        $15::uuid[], $16::uuid[], $17::uuid[], $18::uuid[], $19::timestamptz[], $20::bytea[]
    ) WITH ORDINALITY AS copies (
        person_id, business_id, message_id, device_id, expire_time, envelope, place
    )
    WHERE ((person_id, business_id, message_id) IN (SELECT * FROM stored)) IS TRUE
    ORDER BY place
)
SELECT * FROM stored
"""  # noqa: S608 - only constants


async def insert_messages(
    connection: Connection,
    messages: Iterable[Message],
    copies: Iterable[tuple[MessageKey, datetime, SealedCopy]],
) -> set[MessageKey]:
    """Store messages, and their copies in mailboxes in the order given, in one statement.

    Returns the keys of those that were not there before; copies of the others are left out. A copy
    comes with its message's key and expire_time.
    """
    # In the order of the key, so that batches that hold the same messages wait one way only.
    rows = [
        (*message.key, *message[1:7], *message.price, *message[8:])
        for message in sorted(messages, key=lambda message: message.key)
    ]
    boxed = [(*key, copy.end_id, expire_time, copy.envelope) for key, expire_time, copy in copies]
    stored = await connection.fetch(
        INSERT_MESSAGES_WITH_COPIES, *columns(rows, 14), *columns(boxed, 6)
    )
    return {MessageKey(*row) for row in stored}


UPDATE_MESSAGES = """
UPDATE messages AS m
SET state = changed.state, copies_left = changed.copies_left, update_time = changed.update_time
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::smallint[], $5::smallint[], $6::timestamptz[]
) AS changed (person_id, business_id, message_id, state, copies_left, update_time)
WHERE m.person_id = changed.person_id
  AND m.business_id = changed.business_id
  AND m.message_id = changed.message_id
"""


async def update_messages(connection: Connection, messages: Iterable[Message]) -> None:
    """Write how messages stand that this transaction has locked."""
    rows = [
        (*message.key, message.state, message.copies_left, message.update_time)
        for message in messages
    ]
    if rows:
        await connection.execute(UPDATE_MESSAGES, *columns(rows, 6))


# What did not come to its end is not forgotten, however old. Several replicas sweep at once: each
# takes what no other has its hands on.
SWEEP = """
DELETE FROM messages
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM messages
    WHERE accept_time < $1 AND state <> $2
    ORDER BY accept_time
    LIMIT $3
    FOR UPDATE SKIP LOCKED
))
"""


async def sweep(connection: Connection, before: datetime, rows_max: int) -> int:
    """Delete at most so many messages that were accepted before; how many it were."""
    status = await connection.execute(SWEEP, before, State.ACCEPTED, rows_max)
    return int(status.removeprefix("DELETE "))


def message_of(row: Record) -> Message:
    """A row with the columns of `MESSAGE`."""
    return Message(
        MessageKey(row[0], row[1], row[2]),
        row[3],
        row[4],
        row[5],
        row[6],
        State(row[7]),
        row[8],
        Price(row[9], row[10]),
        row[11],
        row[12],
        row[13],
    )
