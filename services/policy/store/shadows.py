"""Owns the rows of shadows: counts by replica, and the ids of messages decided otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.kit.database import Connection
from services.policy.domain.messages import MessageKey
from services.policy.domain.shadows import Disagreement, Tally


async def put_tally(
    connection: Connection, change_id: int, replica_id: UUID, tally: Tally, now: datetime
) -> None:
    """Keep what a replica has counted so far."""
    await connection.execute(
        """
        INSERT INTO shadow_tallies (change_id, replica_id, tally, update_time)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (change_id, replica_id) DO UPDATE
        SET tally = excluded.tally, update_time = excluded.update_time
        """,
        change_id,
        replica_id,
        tally.to_json(),
        now,
    )


async def get_tally(connection: Connection, change_id: int) -> Tally:
    """What all replicas have counted so far."""
    rows = await connection.fetch(
        "SELECT tally FROM shadow_tallies WHERE change_id = $1", change_id
    )
    whole = Tally()
    for row in rows:
        whole.add(Tally.from_json(row["tally"]))
    return whole


async def insert_disagreements(
    connection: Connection, change_id: int, disagreements: Sequence[Disagreement]
) -> None:
    """Keep these."""
    await connection.execute(
        """
        INSERT INTO shadow_disagreements (
            change_id, business_id, message_id, language_code, use, live_blocked, screen_time
        )
        SELECT $1, *
        FROM unnest(
            $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::boolean[], $7::timestamptz[]
        )
        """,
        change_id,
        [each.key.business_id for each in disagreements],
        [each.key.message_id for each in disagreements],
        [each.language_code for each in disagreements],
        [each.use for each in disagreements],
        [each.live_blocked for each in disagreements],
        [each.screen_time for each in disagreements],
    )


async def list_disagreements(
    connection: Connection, change_id: int, before: int | None, rows_max: int
) -> list[tuple[int, Disagreement]]:
    """At most so many with their numbers, newest first."""
    rows = await connection.fetch(
        """
        SELECT number, business_id, message_id, language_code, use, live_blocked, screen_time
        FROM shadow_disagreements
        WHERE change_id = $1 AND ($2::bigint IS NULL OR number < $2)
        ORDER BY number DESC
        LIMIT $3
        """,
        change_id,
        before,
        rows_max,
    )
    return [(row["number"], _disagreement(row)) for row in rows]


async def sweep(connection: Connection, before: datetime) -> None:
    """Forget disagreements about messages from before."""
    await connection.execute("DELETE FROM shadow_disagreements WHERE screen_time < $1", before)


def _disagreement(row: Any) -> Disagreement:
    return Disagreement(
        MessageKey(row["business_id"], row["message_id"]),
        row["language_code"],
        row["use"],
        row["live_blocked"],
        row["screen_time"],
    )
