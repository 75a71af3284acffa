"""Owns the SQL of what people wrote: submissions, and the windows and entry points they open."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from services.kit.database import Connection
from services.messaging.domain import MessageKey, Window
from services.messaging.store.columns import columns

READ_WINDOWS = """
SELECT person_id, business_id, last_person_message_time, entry_point_time, entry_point_answer_time
FROM unnest($1::uuid[], $2::uuid[]) AS wanted (person_id, business_id)
JOIN windows USING (person_id, business_id)
"""


async def read_windows(
    connection: Connection, pairs: Iterable[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], Window]:
    """What these people have opened to these businesses: by person_id and business_id."""
    rows = await connection.fetch(READ_WINDOWS, *columns(set(pairs), 2))
    return {(row[0], row[1]): Window(row[2], row[3], row[4]) for row in rows}


# The later time stays, whatever the order in which replicas commit.
OPEN_WINDOWS = """
INSERT INTO windows (person_id, business_id, last_person_message_time, entry_point_time)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[])
ON CONFLICT (person_id, business_id) DO UPDATE
SET last_person_message_time =
        greatest(windows.last_person_message_time, excluded.last_person_message_time),
    entry_point_time = greatest(windows.entry_point_time, excluded.entry_point_time)
"""


async def open_windows(
    connection: Connection,
    pairs: Iterable[tuple[UUID, UUID]],
    came_by_link: Collection[tuple[UUID, UUID]],
    now: datetime,
) -> None:
    """Open or renew the windows of these pairs of person_id and business_id.

    Those in `came_by_link` wait for an answer from now on, too.
    """
    rows = [(*pair, now, now if pair in came_by_link else None) for pair in sorted(set(pairs))]
    await connection.execute(OPEN_WINDOWS, *columns(rows, 4))


# The first answer stands. Where the person came once more since it was asked for, it is of the
# coming before, and another one may follow.
ANSWER_ENTRY_POINTS = """
UPDATE windows
SET entry_point_answer_time = $3
FROM unnest($1::uuid[], $2::uuid[]) AS answered (person_id, business_id)
WHERE windows.person_id = answered.person_id
  AND windows.business_id = answered.business_id
  AND (
      windows.entry_point_answer_time IS NULL
      OR windows.entry_point_answer_time < windows.entry_point_time
  )
"""


async def answer_entry_points(
    connection: Connection, pairs: Iterable[tuple[UUID, UUID]], now: datetime
) -> None:
    """Note that these businesses answered these people, who had come by their links."""
    await connection.execute(ANSWER_ENTRY_POINTS, *columns(sorted(set(pairs)), 2), now)


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


SWEEP_SUBMISSIONS = """
DELETE FROM submissions
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM submissions
    WHERE accept_time < $1
    ORDER BY accept_time
    LIMIT $2
    FOR UPDATE SKIP LOCKED
))
"""


async def sweep_submissions(connection: Connection, before: datetime, rows_max: int) -> int:
    """Forget at most so many messages that people wrote before; how many it were."""
    status = await connection.execute(SWEEP_SUBMISSIONS, before, rows_max)
    return int(status.removeprefix("DELETE "))
