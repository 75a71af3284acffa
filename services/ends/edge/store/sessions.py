"""The table `sessions`: read, stored over the version that was read, retired."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

import asyncpg

from services.ends.edge.store.versions import VersionConflict
from services.kit.database import Connection

SessionKey: TypeAlias = tuple[str, str, str]  # business_id, end_id, session_id

NEVER_STORED: Final = -1


@dataclass(frozen=True, slots=True)
class StoredSession:
    """An Olm session as it was read; `version` is NEVER_STORED for one that was just begun."""

    business_id: str
    end_id: str
    session_id: str
    contact_id: str
    pickle: str = field(repr=False)
    version: int = NEVER_STORED
    unconfirmed_count: int = 0

    @property
    def key(self) -> SessionKey:
        """What it is stored under."""
        return self.business_id, self.end_id, self.session_id


@dataclass(frozen=True, slots=True)
class Use:
    """A session that sealed or opened messages, and its pickle since then."""

    session: StoredSession
    pickle: str = field(repr=False)
    sealed_count: int = 0


async def find_for_sealing(
    connection: Connection, ends: Iterable[tuple[str, str]], replica: str
) -> list[StoredSession]:
    """The replica's newest live session for each (business_id, end_id) that has one."""
    rows = await connection.fetch(
        "SELECT DISTINCT ON (business_id, end_id) sessions.*"
        " FROM sessions JOIN unnest($1::uuid[], $2::uuid[]) AS wanted (business_id, end_id)"
        " USING (business_id, end_id)"
        " WHERE replica = $3 AND retire_time IS NULL"
        " ORDER BY business_id, end_id, create_time DESC",
        *_columns(ends, 2),
        replica,
    )
    return [_session(row) for row in rows]


async def find_for_opening(
    connection: Connection, ends: Iterable[tuple[str, str]]
) -> list[StoredSession]:
    """Every session with these (business_id, end_id), newest first."""
    rows = await connection.fetch(
        "SELECT sessions.* FROM sessions"
        " JOIN unnest($1::uuid[], $2::uuid[]) AS wanted (business_id, end_id)"
        " USING (business_id, end_id) ORDER BY create_time DESC",
        *_columns(ends, 2),
    )
    return [_session(row) for row in rows]


async def save_sealed(
    connection: Connection, uses: Sequence[Use], replica: str, time: datetime
) -> dict[SessionKey, int]:
    """Stores live sessions that sealed; returns those that were stored, with what is unconfirmed.

    Not stored is what somebody else changed or retired since it was read.
    """
    known = [use for use in uses if use.session.version != NEVER_STORED]
    rows = await connection.fetch(
        "UPDATE sessions SET session = used.session, version = sessions.version + 1,"
        "   unconfirmed_count = sessions.unconfirmed_count + used.sealed_count"
        " FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::integer[])"
        "   AS used (business_id, end_id, session_id, session, version, sealed_count)"
        " WHERE sessions.business_id = used.business_id AND sessions.end_id = used.end_id"
        "   AND sessions.session_id = used.session_id AND sessions.version = used.version"
        "   AND retire_time IS NULL"
        " RETURNING sessions.business_id, sessions.end_id, sessions.session_id, unconfirmed_count",
        *_columns_used(known),
        [use.sealed_count for use in known],
    )
    rows += await _insert(connection, uses, replica, time)
    return {
        (str(row["business_id"]), str(row["end_id"]), row["session_id"]): row["unconfirmed_count"]
        for row in rows
    }


async def save_opened(
    connection: Connection, uses: Sequence[Use], replica: str, time: datetime
) -> None:
    """Stores sessions that opened something, live or retired: all, or raises VersionConflict."""
    known = [use for use in uses if use.session.version != NEVER_STORED]
    rows = await connection.fetch(
        # Whoever answers has opened what came before.
        "UPDATE sessions SET session = used.session, version = sessions.version + 1,"
        "   unconfirmed_count = 0"
        " FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[])"
        "   AS used (business_id, end_id, session_id, session, version)"
        " WHERE sessions.business_id = used.business_id AND sessions.end_id = used.end_id"
        "   AND sessions.session_id = used.session_id AND sessions.version = used.version"
        " RETURNING sessions.session_id",
        *_columns_used(known),
    )
    rows += await _insert(connection, uses, replica, time)
    if len(rows) < len(uses):
        raise VersionConflict


async def retire(
    connection: Connection, ends: Iterable[tuple[str, str]], replica: str, time: datetime
) -> None:
    """Seals nothing in the replica's sessions with these (business_id, end_id) any more."""
    await connection.execute(
        "UPDATE sessions SET retire_time = $4"
        " FROM unnest($1::uuid[], $2::uuid[]) AS gone (business_id, end_id)"
        " WHERE sessions.business_id = gone.business_id AND sessions.end_id = gone.end_id"
        "   AND replica = $3 AND retire_time IS NULL",
        *_columns(ends, 2),
        replica,
        time,
    )


async def retire_contacts(
    connection: Connection, contacts: Iterable[tuple[str, str]], time: datetime
) -> None:
    """The same for every replica's sessions with these (business_id, contact_id)."""
    await connection.execute(
        "UPDATE sessions SET retire_time = $3"
        " FROM unnest($1::uuid[], $2::text[]) AS gone (business_id, contact_id)"
        " WHERE sessions.business_id = gone.business_id"
        "   AND sessions.contact_id = gone.contact_id AND retire_time IS NULL",
        *_columns(contacts, 2),
        time,
    )


async def confirm(connection: Connection, ends: Iterable[tuple[str, str]]) -> None:
    """Nothing is unconfirmed with these (business_id, end_id) any more."""
    await connection.execute(
        "UPDATE sessions SET unconfirmed_count = 0"
        " FROM unnest($1::uuid[], $2::uuid[]) AS opened (business_id, end_id)"
        " WHERE sessions.business_id = opened.business_id"
        "   AND sessions.end_id = opened.end_id AND unconfirmed_count > 0",
        *_columns(ends, 2),
    )


async def delete_retired(connection: Connection, than: datetime) -> None:
    """Deletes the sessions that were retired before this time."""
    await connection.execute("DELETE FROM sessions WHERE retire_time < $1", than)


def _columns_used(uses: Sequence[Use]) -> list[list[str] | list[int]]:
    """What sessions are known by, their pickles, and the versions that they were read at."""
    return [
        *_columns((use.session.key for use in uses), 3),
        [use.pickle for use in uses],
        [use.session.version for use in uses],
    ]


async def _insert(
    connection: Connection, uses: Sequence[Use], replica: str, time: datetime
) -> list[asyncpg.Record]:
    new = [use for use in uses if use.session.version == NEVER_STORED]
    if not new:
        return []
    keys = _columns((use.session.key for use in new), 3)
    # A new session takes the place of the one that this replica sealed with so far.
    await retire(connection, (use.session.key[:2] for use in new), replica, time)
    return await connection.fetch(
        "INSERT INTO sessions (business_id, end_id, session_id, contact_id, replica, session,"
        "   unconfirmed_count, create_time)"
        " SELECT business_id, end_id, session_id, contact_id, $7, session, sealed_count, $8"
        " FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::integer[])"
        "   AS new (business_id, end_id, session_id, contact_id, session, sealed_count)"
        " ON CONFLICT DO NOTHING"
        " RETURNING business_id, end_id, session_id, unconfirmed_count",
        *keys,
        [use.session.contact_id for use in new],
        [use.pickle for use in new],
        [use.sealed_count for use in new],
        replica,
        time,
    )


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


def _columns(rows: Iterable[tuple[str, ...]], count: int) -> list[list[str]]:
    """Rows turned into the columns that unnest takes."""
    rows = list(rows)
    return [[row[column] for row in rows] for column in range(count)]
