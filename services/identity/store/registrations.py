"""Owns the rows of registrations: codes that were sent, their tries, and how many began when."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg

from services.identity.domain.phone_numbers import PhoneNumber
from services.identity.domain.registrations import Registration
from services.kit.database import Connection

_SWEEP_ROWS_MAX = 10_000


async def lock_number(connection: Connection, phone_number: PhoneNumber) -> None:
    """Let one transaction at a time look at the number's codes and add one."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", phone_number.e164
    )


async def list_times(
    connection: Connection, phone_number: PhoneNumber, after: datetime
) -> list[datetime]:
    """When codes were sent to the number since `after`."""
    rows = await connection.fetch(
        "SELECT create_time FROM registrations WHERE phone_number = $1 AND create_time > $2",
        phone_number.e164,
        after,
    )
    return [row["create_time"] for row in rows]


async def count_in_minute(connection: Connection, minute: datetime, started_max: int) -> bool:
    """Count one more registration in this minute; whether there was room for it."""
    started = await connection.fetchval(
        """
        INSERT INTO registration_minutes AS minutes (minute, started)
        VALUES ($1, 1)
        ON CONFLICT (minute) DO UPDATE
        SET started = minutes.started + 1
        WHERE minutes.started < $2
        RETURNING started
        """,
        minute,
        started_max,
    )
    return started is not None


async def insert(connection: Connection, registration: Registration) -> None:
    """Add a registration that made no device yet."""
    await connection.execute(
        """
        INSERT INTO registrations
            (registration_id, phone_number, country, code_hmac, tries_left, create_time,
             expire_time)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        registration.registration_id,
        registration.phone_number.e164,
        registration.phone_number.country,
        registration.code_hmac,
        registration.tries_left,
        registration.create_time,
        registration.expire_time,
    )


async def spend_try(
    connection: Connection, registration_id: UUID, now: datetime
) -> Registration | None:
    """Take one try away and return what is left; None where there was none to take.

    One statement, so that as many at the same moment as like to cannot have more than there are.
    """
    row = await connection.fetchrow(
        """
        UPDATE registrations
        SET tries_left = tries_left - 1
        WHERE registration_id = $1 AND tries_left > 0 AND expire_time > $2
        RETURNING *
        """,
        registration_id,
        now,
    )
    return _registration(row) if row else None


async def get(connection: Connection, registration_id: UUID) -> Registration | None:
    """The registration of this id, expired or not."""
    row = await connection.fetchrow(
        "SELECT * FROM registrations WHERE registration_id = $1", registration_id
    )
    return _registration(row) if row else None


async def lock(connection: Connection, registration_id: UUID) -> Registration | None:
    """Read it; others that lock it wait until this transaction ends."""
    row = await connection.fetchrow(
        "SELECT * FROM registrations WHERE registration_id = $1 FOR UPDATE", registration_id
    )
    return _registration(row) if row else None


async def set_device(connection: Connection, registration_id: UUID, device_id: UUID) -> None:
    """Note which device the registration made."""
    await connection.execute(
        "UPDATE registrations SET device_id = $2 WHERE registration_id = $1",
        registration_id,
        device_id,
    )


async def sweep(connection: Connection, before: datetime) -> int:
    """Delete what began before then, at most 10,000 of a kind; how many rows that were."""
    registrations = await connection.execute(
        """
        DELETE FROM registrations
        WHERE registration_id IN (
            SELECT registration_id FROM registrations WHERE create_time < $1 LIMIT $2
            FOR UPDATE SKIP LOCKED
        )
        """,
        before,
        _SWEEP_ROWS_MAX,
    )
    minutes = await connection.execute("DELETE FROM registration_minutes WHERE minute < $1", before)
    return sum(int(status.split()[1]) for status in (registrations, minutes))


def _registration(row: asyncpg.Record) -> Registration:
    return Registration(
        registration_id=row["registration_id"],
        phone_number=PhoneNumber(row["phone_number"], row["country"]),
        code_hmac=row["code_hmac"],
        tries_left=row["tries_left"],
        create_time=row["create_time"],
        expire_time=row["expire_time"],
        device_id=row["device_id"],
    )
