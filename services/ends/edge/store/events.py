"""The tables `events` and `event_cursors`: what happened for each business, without gaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from services.ends.edge.domain import NewEvent, StoredEvent, place
from services.ends.edge.vault import Vault
from services.kit.database import Connection


async def add(
    connection: Connection, vault: Vault, events: Sequence[NewEvent], time: datetime
) -> None:
    """Stores events in the order given; those that are known already are left as they are."""
    if not events:
        return
    businesses = sorted({event.business_id for event in events})
    # The rows are made first and then locked in one order, so that replicas never deadlock.
    await connection.execute(
        "INSERT INTO event_cursors (business_id, last_cursor)"
        " SELECT business_id, 0 FROM unnest($1::uuid[]) AS business_id ON CONFLICT DO NOTHING",
        businesses,
    )
    cursors = await connection.fetch(
        "SELECT business_id, last_cursor FROM event_cursors"
        " WHERE business_id = ANY($1::uuid[]) ORDER BY business_id FOR UPDATE",
        businesses,
    )
    placed = place(
        list(events),
        {str(row["business_id"]): row["last_cursor"] for row in cursors},
        await known(connection, ((event.business_id, event.event_key) for event in events)),
    )
    if not placed:
        return
    business_ids = [event.business_id for event, _ in placed]
    places = [cursor for _, cursor in placed]
    await connection.execute(
        "INSERT INTO events (business_id, cursor, event_key, payload, create_time)"
        " SELECT new.*, $5 FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bytea[]) AS new",
        business_ids,
        places,
        [event.event_key for event, _ in placed],
        [
            vault.seal(event.payload, f"{event.business_id}/{event.event_key}")
            for event, _ in placed
        ],
        time,
    )
    await connection.execute(
        "UPDATE event_cursors SET last_cursor = added.last_cursor"
        " FROM (SELECT business_id, max(cursor) AS last_cursor"
        "       FROM unnest($1::uuid[], $2::bigint[]) AS placed (business_id, cursor)"
        "       GROUP BY business_id) AS added"
        " WHERE event_cursors.business_id = added.business_id",
        business_ids,
        places,
    )


async def known(connection: Connection, keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the (business_id, event_key) that are stored."""
    keys = list(keys)
    rows = await connection.fetch(
        "SELECT business_id, event_key FROM events"
        " JOIN unnest($1::uuid[], $2::text[]) AS wanted (business_id, event_key)"
        " USING (business_id, event_key)",
        [business_id for business_id, _ in keys],
        [event_key for _, event_key in keys],
    )
    return {(str(row["business_id"]), row["event_key"]) for row in rows}


async def read(
    connection: Connection, vault: Vault, business_id: str, after_cursor: int, count_max: int
) -> list[StoredEvent]:
    """A business's events after a cursor, in order."""
    rows = await connection.fetch(
        "SELECT cursor, create_time, event_key, payload FROM events"
        " WHERE business_id = $1 AND cursor > $2 ORDER BY cursor LIMIT $3",
        business_id,
        after_cursor,
        count_max,
    )
    return [
        StoredEvent(
            cursor=row["cursor"],
            create_time=row["create_time"],
            payload=vault.open(row["payload"], f"{business_id}/{row['event_key']}"),
        )
        for row in rows
    ]


async def delete_older(connection: Connection, than: datetime) -> None:
    """Deletes the events from before this time."""
    await connection.execute("DELETE FROM events WHERE create_time < $1", than)
