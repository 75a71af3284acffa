"""Owns the SQL of mailboxes: the copies that wait for an end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.kit.database import Connection
from services.messaging.domain import MessageKey, SealedCopy
from services.messaging.store.columns import columns


class DeviceMailbox(NamedTuple):
    """What waits for a person's device. An envelope for another person's device is not in it."""

    person_id: UUID
    end_id: UUID


class EdgeMailbox(NamedTuple):
    """What waits for an edge, of all the businesses that it serves."""

    end_id: UUID


class Look(NamedTuple):
    """A look into a mailbox: what a stream wants of it."""

    mailbox: DeviceMailbox | EdgeMailbox
    in_flight: tuple[int, ...]  # what it has already, by envelope_id
    envelopes_max: int


class Waiting(NamedTuple):
    """A copy that waits."""

    envelope_id: int
    envelope: bytes  # hudhud.messaging.v1.Envelope without its envelope_id


# An envelope_id is drawn before its transaction commits, so that a lower one may appear after a
# higher one was read. So there is no cursor: a look begins at the oldest and leaves out what is in
# flight. What was acked is gone, so that there is little to skip.
#
# The sum ends a look after so many bytes; the envelope that passes the mark is still taken.
_LOOK = """
SELECT looks.slot, found.envelope_id, found.envelope
FROM {looks}
CROSS JOIN LATERAL (
    SELECT
        envelope_id,
        envelope,
        sum(octet_length(envelope)) OVER (ORDER BY envelope_id) - octet_length(envelope) AS before
    FROM (
        SELECT waiting.envelope_id, waiting.envelope
        FROM {waiting}
          AND waiting.expire_time > $3
          AND (looks.slot, waiting.envelope_id) NOT IN (
              SELECT * FROM unnest($4::bigint[], $5::bigint[])
          )
        ORDER BY waiting.envelope_id
        LIMIT looks.envelopes_max
    ) AS oldest
) AS found
WHERE found.before < $6
"""

LOOK_FOR_DEVICES = _LOOK.format(
    looks="""
        unnest($1::uuid[], $2::int[], $7::uuid[])
        WITH ORDINALITY AS looks (device_id, envelopes_max, person_id, slot)
    """,
    waiting="""
        device_envelopes AS waiting
        WHERE waiting.person_id = looks.person_id AND waiting.device_id = looks.device_id
    """,
)

LOOK_FOR_EDGES = _LOOK.format(
    looks="unnest($1::uuid[], $2::int[]) WITH ORDINALITY AS looks (edge_id, envelopes_max, slot)",
    waiting="edge_envelopes AS waiting WHERE waiting.edge_id = looks.edge_id",
)


async def look(
    connection: Connection, looks: Sequence[Look], now: datetime, bytes_max: int
) -> list[list[Waiting]]:
    """For each look, into mailboxes of one kind, the oldest that waits and is not in flight.

    Each gets at most its `envelopes_max`, and stops with the envelope that brings it to
    `bytes_max`.
    """
    in_flight = [
        (slot, envelope_id)
        for slot, look in enumerate(looks, start=1)
        for envelope_id in look.in_flight
    ]
    arguments = [
        [look.mailbox.end_id for look in looks],
        [look.envelopes_max for look in looks],
        now,
        *columns(in_flight, 2),
        bytes_max,
    ]
    statement = LOOK_FOR_EDGES
    if isinstance(looks[0].mailbox, DeviceMailbox):
        statement = LOOK_FOR_DEVICES
        arguments.append([look.mailbox[0] for look in looks])
    found: list[list[Waiting]] = [[] for _ in looks]
    for slot, envelope_id, envelope in await connection.fetch(statement, *arguments):
        found[slot - 1].append(Waiting(envelope_id, envelope))
    for envelopes in found:
        envelopes.sort()
    return found


INSERT_FOR_EDGES = """
INSERT INTO edge_envelopes (business_id, message_id, edge_id, expire_time, envelope)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::bytea[])
"""


async def insert_for_edges(
    connection: Connection, copies: Iterable[tuple[MessageKey, datetime, SealedCopy]]
) -> None:
    """Put copies of what a person wrote into mailboxes of the business's edges."""
    rows = [
        (key.business_id, key.message_id, copy.end_id, expire_time, copy.envelope)
        for key, expire_time, copy in copies
    ]
    await connection.execute(INSERT_FOR_EDGES, *columns(rows, 5))


class Taken(NamedTuple):
    """A copy that left its mailbox."""

    key: MessageKey
    device_id: UUID
    envelope_id: int


DELETE_FOR_DEVICES = """
DELETE FROM device_envelopes AS waiting
USING unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS acked (person_id, device_id, envelope_id)
WHERE waiting.person_id = acked.person_id
  AND waiting.device_id = acked.device_id
  AND waiting.envelope_id = acked.envelope_id
RETURNING waiting.person_id, waiting.business_id, waiting.message_id,
    waiting.device_id, waiting.envelope_id
"""

DELETE_FOR_EDGES = """
DELETE FROM edge_envelopes AS waiting
USING unnest($1::uuid[], $2::bigint[]) AS acked (edge_id, envelope_id)
WHERE waiting.edge_id = acked.edge_id AND waiting.envelope_id = acked.envelope_id
"""


async def take_from_devices(
    connection: Connection, acked: Iterable[tuple[DeviceMailbox, int]]
) -> list[Taken]:
    """Delete these envelopes of these mailboxes; return those that were there."""
    rows = sorted((*mailbox, envelope_id) for mailbox, envelope_id in acked)
    taken = await connection.fetch(DELETE_FOR_DEVICES, *columns(rows, 3))
    return [Taken(MessageKey(row[0], row[1], row[2]), row[3], row[4]) for row in taken]


async def delete_from_edges(
    connection: Connection, acked: Iterable[tuple[EdgeMailbox, int]]
) -> None:
    """Delete these envelopes of these mailboxes; what is not there is no matter."""
    rows = sorted((*mailbox, envelope_id) for mailbox, envelope_id in acked)
    await connection.execute(DELETE_FOR_EDGES, *columns(rows, 2))


# Several replicas give up messages at once: each takes what no other has its hands on.
TAKE_EXPIRED = """
WITH expired AS (
    SELECT person_id, device_id, envelope_id
    FROM device_envelopes
    WHERE expire_time <= $1
    ORDER BY expire_time
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
DELETE FROM device_envelopes AS waiting
USING expired
WHERE waiting.person_id = expired.person_id
  AND waiting.device_id = expired.device_id
  AND waiting.envelope_id = expired.envelope_id
RETURNING waiting.person_id, waiting.business_id, waiting.message_id,
    waiting.device_id, waiting.envelope_id
"""

DELETE_EXPIRED_FOR_EDGES = """
WITH expired AS (
    SELECT business_id, edge_id, envelope_id
    FROM edge_envelopes
    WHERE expire_time <= $1
    ORDER BY expire_time
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
DELETE FROM edge_envelopes AS waiting
USING expired
WHERE waiting.business_id = expired.business_id
  AND waiting.edge_id = expired.edge_id
  AND waiting.envelope_id = expired.envelope_id
"""


async def take_expired_from_devices(
    connection: Connection, before: datetime, copies_max: int
) -> list[Taken]:
    """Delete up to `copies_max` copies whose expire_time is at or before `before`; return them."""
    taken = await connection.fetch(TAKE_EXPIRED, before, copies_max)
    return [Taken(MessageKey(row[0], row[1], row[2]), row[3], row[4]) for row in taken]


async def delete_expired_from_edges(
    connection: Connection, before: datetime, copies_max: int
) -> int:
    """Delete up to `copies_max` copies whose expire_time is at or before `before`; count them."""
    status = await connection.execute(DELETE_EXPIRED_FOR_EDGES, before, copies_max)
    return int(status.rpartition(" ")[2])


# How many copies wait for a device, and for how many seconds the one has that expires next. The
# count is an estimate that PostgreSQL keeps by itself: counting for real would read every row.
SAMPLE = """
SELECT
    (SELECT n_live_tup FROM pg_stat_user_tables WHERE relname = 'device_envelopes'),
    coalesce(
        (
            SELECT extract(epoch FROM now() - messages.accept_time)
            FROM (
                SELECT person_id, business_id, message_id
                FROM device_envelopes ORDER BY expire_time LIMIT 1
            ) AS next
            JOIN messages USING (person_id, business_id, message_id)
        ),
        0
    )
"""
