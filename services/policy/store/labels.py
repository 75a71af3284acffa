"""Owns the rows of what people say about messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.kit.database import Connection
from services.policy.domain.labels import Kind, Label, LabelEntry, State

_SELECT = """
    SELECT entry_id, kind, create_time, said_by, state, business_id, message_id, text, wording,
           label, model_version, blocked, of_entry_id, reason
    FROM label_entries
"""


async def insert(connection: Connection, entry: LabelEntry) -> bool:
    """Whether it was inserted: not if it was said before."""
    status = await connection.execute(
        """
        INSERT INTO label_entries (
            entry_id, kind, create_time, said_by, state, business_id, message_id, text, wording,
            label, model_version, blocked, of_entry_id, reason
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        ON CONFLICT DO NOTHING
        """,
        entry.entry_id,
        int(entry.kind),
        entry.create_time,
        entry.said_by,
        int(entry.state),
        entry.business_id,
        entry.message_id,
        entry.text or None,
        entry.wording or None,
        None if entry.label is None else int(entry.label),
        entry.model_version,
        entry.blocked,
        entry.of_entry_id,
        entry.reason,
    )
    return status == "INSERT 0 1"


async def get(connection: Connection, entry_ids: Sequence[UUID]) -> dict[UUID, LabelEntry]:
    """The entries of these ids."""
    rows = await connection.fetch(f"{_SELECT} WHERE entry_id = ANY ($1::uuid[])", entry_ids)
    return {row["entry_id"]: _entry(row) for row in rows}


async def get_appeal(
    connection: Connection, business_id: UUID, message_id: UUID
) -> LabelEntry | None:
    """The appeal about this message."""
    row = await connection.fetchrow(
        f"{_SELECT} WHERE business_id = $1 AND message_id = $2 AND kind = 2",
        business_id,
        message_id,
    )
    return _entry(row) if row else None


async def last_review(connection: Connection, wording: bytes) -> LabelEntry | None:
    """The last decision that stands about messages that say this."""
    row = await connection.fetchrow(
        f"{_SELECT} WHERE wording = $1 AND kind = 3 AND state < 3 ORDER BY number DESC LIMIT 1",
        wording,
    )
    return _entry(row) if row else None


async def lock_speaker(connection: Connection, name: str) -> None:
    """Count and insert for one at a time, until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", name)


async def count_said(connection: Connection, said_by: str, kind: Kind, since: datetime) -> int:
    """How much somebody said since then."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM label_entries WHERE said_by = $1 AND create_time > $2 AND kind = $3",
        said_by,
        since,
        int(kind),
    )
    return count


async def count_reports_about(connection: Connection, business_id: UUID, since: datetime) -> int:
    """How many reports about a business's messages were kept since then."""
    count: int = await connection.fetchval(
        """
        SELECT count(*)
        FROM label_entries
        WHERE business_id = $1 AND create_time > $2 AND kind = 1
        """,
        business_id,
        since,
    )
    return count


async def list_waiting(
    connection: Connection, kind: Kind | None, after: int, rows_max: int
) -> list[tuple[int, LabelEntry, int]]:
    """At most so many wordings that wait, the oldest first: number, first entry, how many people
    and businesses said it.
    """
    rows = await connection.fetch(
        """
        SELECT waiting.number, waiting.said_by_count, label_entries.*
        FROM (
            SELECT min(number) AS number, count(DISTINCT said_by) AS said_by_count
            FROM label_entries
            WHERE state = 1 AND ($1::smallint IS NULL OR kind = $1)
            GROUP BY wording
        ) AS waiting
        JOIN label_entries USING (number)
        WHERE waiting.number > $2
        ORDER BY waiting.number
        LIMIT $3
        """,
        None if kind is None else int(kind),
        after,
        rows_max,
    )
    return [(row["number"], _entry(row), row["said_by_count"]) for row in rows]


async def settle(connection: Connection, wording: bytes) -> None:
    """What says this waits no more."""
    await connection.execute(
        "UPDATE label_entries SET state = 2 WHERE wording = $1 AND state = 1", wording
    )


async def unsettle(connection: Connection, wording: bytes) -> None:
    """What says this waits again, if no decision about it stands."""
    await connection.execute(
        """
        UPDATE label_entries
        SET state = 1
        WHERE wording = $1 AND state = 2 AND kind < 3
          AND NOT EXISTS (
              SELECT FROM label_entries AS reviews
              WHERE reviews.wording = $1 AND reviews.kind = 3 AND reviews.state < 3
          )
        """,
        wording,
    )


async def withdraw(
    connection: Connection, entry_id: UUID | None, said_by: str | None
) -> list[LabelEntry]:
    """Mark as withdrawn what is named, and erase its texts; what is new of it, as it was before."""
    rows = await connection.fetch(
        """
        UPDATE label_entries
        SET state = 3, text = NULL, reason = ''
        FROM (
            SELECT entry_id, text, reason
            FROM label_entries
            WHERE (entry_id = $1 OR said_by = $2) AND state < 3 AND kind < 4
            FOR UPDATE
        ) AS before
        WHERE label_entries.entry_id = before.entry_id
        RETURNING label_entries.entry_id, kind, create_time, said_by, state, business_id,
                  message_id, before.text, wording, label, model_version, blocked, of_entry_id,
                  before.reason
        """,
        entry_id,
        said_by,
    )
    return [_entry(row) for row in rows]


async def stream(connection: Connection) -> AsyncIterator[LabelEntry]:
    """Everything that stands, and the withdrawals, in their order. In a transaction.

    A review says the text of the entry that it is about; without one it is left out.
    """
    cursor = connection.cursor(
        """
        SELECT said.entry_id, said.kind, said.create_time, said.said_by, said.state,
               said.business_id, said.message_id, coalesce(said.text, about.text) AS text,
               said.wording, said.label, said.model_version, said.blocked, said.of_entry_id,
               said.reason
        FROM label_entries AS said
        LEFT JOIN label_entries AS about ON about.entry_id = said.of_entry_id AND said.kind = 3
        WHERE said.kind = 4 OR (said.state < 3 AND coalesce(said.text, about.text) IS NOT NULL)
        ORDER BY said.number
        """,
        prefetch=200,
    )
    async for row in cursor:
        yield _entry(row)


async def sweep(connection: Connection, before: datetime) -> None:
    """Forget what was said before."""
    await connection.execute("DELETE FROM label_entries WHERE create_time < $1", before)


def _entry(row: Any) -> LabelEntry:
    return LabelEntry(
        row["entry_id"],
        Kind(row["kind"]),
        row["create_time"],
        row["said_by"],
        State(row["state"]),
        row["business_id"],
        row["message_id"],
        row["text"] or "",
        row["wording"] or b"",
        None if row["label"] is None else Label(row["label"]),
        row["model_version"],
        row["blocked"],
        row["of_entry_id"],
        row["reason"],
    )
