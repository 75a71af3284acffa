"""The edge's tables: businesses' accounts, sessions, and events in their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from services.ends.edge.domain import NewEvent, StoredEvent, place
from services.ends.edge.vault import Vault
from services.kit.database import Connection, Database


class VersionConflict(Exception):
    """Another replica changed an account or session meanwhile: read it again, start over."""


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """A business's Olm account as stored."""

    pickle: str
    version: int
    published: bool


@dataclass(frozen=True, slots=True)
class StoredSession:
    """An Olm session as stored."""

    business_id: str
    end_id: str
    session_id: str
    contact_id: str
    pickle: str
    version: int
    unconfirmed_count: int


class Store:
    """The edge's database."""

    def __init__(self, database: Database, vault: Vault, replica: str) -> None:
        self._database = database
        self._vault = vault
        self._replica = replica

    # --- Accounts ---------------------------------------------------------------------------------

    async def find_account(self, business_id: str) -> StoredAccount | None:
        """A business's account, or None if the edge never stood for it."""
        async with self._database.connection("find_account") as connection:
            row = await connection.fetchrow(
                "SELECT account, version, publish_time IS NOT NULL AS published"
                " FROM businesses WHERE business_id = $1",
                business_id,
            )
        return StoredAccount(row["account"], row["version"], row["published"]) if row else None

    async def add_account(self, business_id: str, pickle: str) -> None:
        """Stores a new account, unless another replica was first."""
        async with self._database.connection("add_account") as connection:
            await connection.execute(
                "INSERT INTO businesses (business_id, account) VALUES ($1, $2)"
                " ON CONFLICT DO NOTHING",
                business_id,
                pickle,
            )

    async def save_account(
        self, business_id: str, pickle: str, version: int, *, publish_time: datetime | None
    ) -> None:
        """Stores an account that was read at `version`. Raises VersionConflict."""
        async with self._database.transaction("save_account") as connection:
            await _save_account(connection, business_id, pickle, version)
            if publish_time is not None:
                await connection.execute(
                    "UPDATE businesses SET publish_time = $2 WHERE business_id = $1",
                    business_id,
                    publish_time,
                )

    async def known_businesses(self, business_ids: Iterable[str]) -> set[str]:
        """Those of the businesses that this edge stands for."""
        async with self._database.connection("known_businesses") as connection:
            rows = await connection.fetch(
                "SELECT business_id FROM businesses WHERE business_id = ANY($1::uuid[])",
                list(business_ids),
            )
        return {str(row["business_id"]) for row in rows}

    # --- Sessions ---------------------------------------------------------------------------------

    async def sealing_sessions(self, ends: Sequence[tuple[str, str]]) -> list[StoredSession]:
        """This replica's newest live session for each (business_id, end_id) that has one."""
        async with self._database.connection("sealing_sessions") as connection:
            rows = await connection.fetch(
                "SELECT DISTINCT ON (business_id, end_id) sessions.*"
                " FROM sessions JOIN unnest($1::uuid[], $2::uuid[]) AS wanted (business_id, end_id)"
                " USING (business_id, end_id)"
                " WHERE replica = $3 AND retire_time IS NULL"
                " ORDER BY business_id, end_id, create_time DESC",
                [business_id for business_id, _ in ends],
                [end_id for _, end_id in ends],
                self._replica,
            )
        return [_session(row) for row in rows]

    async def opening_sessions(self, business_id: str, end_id: str) -> list[StoredSession]:
        """Every session with a device, whichever replica seals with it, the newest first."""
        async with self._database.connection("opening_sessions") as connection:
            rows = await connection.fetch(
                "SELECT * FROM sessions WHERE business_id = $1 AND end_id = $2"
                " ORDER BY create_time DESC LIMIT 50",
                business_id,
                end_id,
            )
        return [_session(row) for row in rows]

    async def save_sessions(self, sessions: Sequence[StoredSession]) -> set[tuple[str, str, str]]:
        """Stores sessions, each over the version before it; version 0 is a new one.

        Returns the keys (business_id, end_id, session_id) of those that another replica had changed
        in the meantime and that were therefore not stored.
        """
        async with self._database.transaction("save_sessions") as connection:
            return await _save_sessions(connection, sessions, self._replica)

    async def retire_sessions(self, keys: Sequence[tuple[str, str, str]]) -> None:
        """Seals nothing with these sessions any more; they still open what was sealed for them."""
        async with self._database.connection("retire_sessions") as connection:
            await connection.execute(
                "UPDATE sessions SET retire_time = now()"
                " FROM unnest($1::uuid[], $2::uuid[], $3::text[])"
                "   AS gone (business_id, end_id, session_id)"
                " WHERE sessions.business_id = gone.business_id AND sessions.end_id = gone.end_id"
                "   AND sessions.session_id = gone.session_id",
                *_columns(keys, 3),
            )

    async def retire_contacts(self, contacts: Sequence[tuple[str, str]]) -> None:
        """Retires every session with these (business_id, contact_id)."""
        async with self._database.connection("retire_contacts") as connection:
            await connection.execute(
                "UPDATE sessions SET retire_time = now()"
                " FROM unnest($1::uuid[], $2::text[]) AS gone (business_id, contact_id)"
                " WHERE sessions.business_id = gone.business_id"
                "   AND sessions.contact_id = gone.contact_id AND retire_time IS NULL",
                *_columns(contacts, 2),
            )

    async def confirm_contacts(self, contacts: Sequence[tuple[str, str]]) -> None:
        """Notes that devices of these (business_id, contact_id) opened what was sealed for them."""
        async with self._database.connection("confirm_contacts") as connection:
            await connection.execute(
                "UPDATE sessions SET unconfirmed_count = 0"
                " FROM unnest($1::uuid[], $2::text[]) AS opened (business_id, contact_id)"
                " WHERE sessions.business_id = opened.business_id"
                "   AND sessions.contact_id = opened.contact_id AND unconfirmed_count > 0",
                *_columns(contacts, 2),
            )

    # --- Events -----------------------------------------------------------------------------------

    async def add_events(self, events: Sequence[NewEvent], time: datetime) -> None:
        """Stores events in the order given; those that are known already are left as they are."""
        async with self._database.transaction("add_events") as connection:
            await self._add_events(connection, events, time)

    async def receive(
        self,
        event: NewEvent,
        time: datetime,
        *,
        session: StoredSession,
        account: tuple[str, int] | None,
    ) -> None:
        """Stores what opening an envelope changed, all or nothing: session, account, event.

        `account` is the pickle and the version it was read at, where opening used up a one-time
        key. Raises VersionConflict, with nothing stored, when either had changed in the meantime.
        """
        async with self._database.transaction("receive") as connection:
            if await _save_sessions(connection, [session], self._replica):
                raise VersionConflict
            if account is not None:
                await _save_account(connection, event.business_id, *account)
            await self._add_events(connection, [event], time)

    async def has_event(self, business_id: str, event_key: str) -> bool:
        """Whether this event is stored."""
        async with self._database.connection("has_event") as connection:
            found = await connection.fetchval(
                "SELECT EXISTS (SELECT FROM events WHERE business_id = $1 AND event_key = $2)",
                business_id,
                event_key,
            )
        return bool(found)

    async def list_events(
        self, business_id: str, after_cursor: int, count_max: int
    ) -> list[StoredEvent]:
        """A business's events after a cursor, in order."""
        async with self._database.connection("list_events") as connection:
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
                payload=self._vault.open(row["payload"], f"{business_id}/{row['event_key']}"),
            )
            for row in rows
        ]

    async def delete_events(self, older_than: datetime, retention: timedelta) -> None:
        """Deletes events that are older than the retention allows."""
        async with self._database.connection("delete_events") as connection:
            await connection.execute(
                "DELETE FROM events WHERE create_time < $1", older_than - retention
            )

    async def _add_events(
        self, connection: Connection, events: Sequence[NewEvent], time: datetime
    ) -> None:
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
        known = await connection.fetch(
            "SELECT business_id, event_key FROM events"
            " JOIN unnest($1::uuid[], $2::text[]) AS new (business_id, event_key)"
            " USING (business_id, event_key)",
            [event.business_id for event in events],
            [event.event_key for event in events],
        )
        placed = place(
            list(events),
            {str(row["business_id"]): row["last_cursor"] for row in cursors},
            {(str(row["business_id"]), row["event_key"]) for row in known},
        )
        if not placed:
            return
        await connection.execute(
            "INSERT INTO events (business_id, cursor, event_key, payload, create_time)"
            " SELECT new.*, $5 FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bytea[])"
            " AS new",
            [event.business_id for event, _ in placed],
            [cursor for _, cursor in placed],
            [event.event_key for event, _ in placed],
            [
                self._vault.seal(event.payload, f"{event.business_id}/{event.event_key}")
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
            [event.business_id for event, _ in placed],
            [cursor for _, cursor in placed],
        )


async def _save_account(
    connection: Connection, business_id: str, pickle: str, version: int
) -> None:
    status = await connection.execute(
        "UPDATE businesses SET account = $2, version = version + 1"
        " WHERE business_id = $1 AND version = $3",
        business_id,
        pickle,
        version,
    )
    if status != "UPDATE 1":
        raise VersionConflict


async def _save_sessions(
    connection: Connection, sessions: Sequence[StoredSession], replica: str
) -> set[tuple[str, str, str]]:
    # Rows are locked in the order in which they come: always the same one, against deadlocks.
    ordered = sorted(sessions, key=_session_key)
    rows = await connection.fetch(
        "INSERT INTO sessions AS stored (business_id, end_id, session_id, contact_id, replica,"
        "   session, version, unconfirmed_count)"
        " SELECT business_id, end_id, session_id, contact_id, $8, session, version, unconfirmed"
        " FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[],"
        "   $7::integer[]) AS new (business_id, end_id, session_id, contact_id, session, version,"
        "   unconfirmed)"
        " ON CONFLICT (business_id, end_id, session_id) DO UPDATE"
        " SET session = excluded.session, version = excluded.version,"
        "   unconfirmed_count = excluded.unconfirmed_count"
        " WHERE stored.version = excluded.version - 1"
        " RETURNING business_id, end_id, session_id",
        [session.business_id for session in ordered],
        [session.end_id for session in ordered],
        [session.session_id for session in ordered],
        [session.contact_id for session in ordered],
        [session.pickle for session in ordered],
        [session.version for session in ordered],
        [session.unconfirmed_count for session in ordered],
        replica,
    )
    stored = {(str(row["business_id"]), str(row["end_id"]), row["session_id"]) for row in rows}
    return {_session_key(session) for session in sessions} - stored


def _session_key(session: StoredSession) -> tuple[str, str, str]:
    return session.business_id, session.end_id, session.session_id


def _session(row: asyncpg.Record) -> StoredSession:
    return StoredSession(
        business_id=str(row["business_id"]),
        end_id=str(row["end_id"]),
        session_id=row["session_id"],
        contact_id=row["contact_id"],
        pickle=row["session"],
        version=row["version"],
        unconfirmed_count=row["unconfirmed_count"],
    )


def _columns(rows: Sequence[tuple[str, ...]], count: int) -> list[list[str]]:
    """Rows turned into the columns that unnest takes."""
    return [[row[column] for row in rows] for column in range(count)]
