"""Owns the SQL of what people wrote: submissions, and the windows that they open."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.kit.database import Connection
from services.messaging.domain import MessageKey
from services.messaging.store.columns import columns

READ_WINDOWS = """
SELECT person_id, business_id, last_person_message_time
FROM unnest($1::uuid[], $2::uuid[]) AS wanted (person_id, business_id)
JOIN windows USING (person_id, business_id)
"""


async def read_windows(
    connection: Connection, pairs: Iterable[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], datetime]:
    """When these people last wrote to these businesses: by person_id and business_id."""
    wanted = columns(set(pairs), 2)
    if not wanted[0]:
        return {}
    return {(row[0], row[1]): row[2] for row in await connection.fetch(READ_WINDOWS, *wanted)}


# The later time stays, whatever the order in which replicas commit.
OPEN_WINDOWS = """
INSERT INTO windows (person_id, business_id, last_person_message_time)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[])
ON CONFLICT (person_id, business_id) DO UPDATE
SET last_person_message_time =
    greatest(windows.last_person_message_time, excluded.last_person_message_time)
"""


async def open_windows(
    connection: Connection, pairs: Iterable[tuple[UUID, UUID]], now: datetime
) -> None:
    """Open or renew the windows of these pairs of person_id and business_id."""
    rows = [(*pair, now) for pair in sorted(set(pairs))]
    await connection.execute(OPEN_WINDOWS, *columns(rows, 3))


INSERT_SUBMISSIONS = """
INSERT INTO submissions (person_id, business_id, message_id, accept_time)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[])
ON CONFLICT DO NOTHING
RETURNING person_id, business_id, message_id
"""


async def insert_submissions(
    connection: Connection, keys: Iterable[MessageKey], now: datetime
) -> set[MessageKey]:
    """Note messages that people wrote; return the keys of those that were not there before."""
    rows = [(*key, now) for key in sorted(keys)]
    return {
        MessageKey(*row) for row in await connection.fetch(INSERT_SUBMISSIONS, *columns(rows, 4))
    }


READ_SUBMISSIONS = """
SELECT person_id, business_id, message_id, accept_time
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS wanted (person_id, business_id, message_id)
JOIN submissions USING (person_id, business_id, message_id)
"""


async def read_submissions(
    connection: Connection, keys: Iterable[MessageKey]
) -> dict[MessageKey, datetime]:
    """When these messages that people wrote were accepted."""
    rows = await connection.fetch(READ_SUBMISSIONS, *columns(keys, 3))
    return {MessageKey(row[0], row[1], row[2]): row[3] for row in rows}
