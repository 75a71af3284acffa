"""Owns the rows of people and of what their devices prove themselves with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.identity.domain.ends import Device
from services.identity.domain.phone_numbers import PhoneNumber
from services.kit.database import Connection


@dataclass(frozen=True)
class Person:
    """Who receives. The country is that of the number at the first registration."""

    person_id: UUID
    country: str


@dataclass(frozen=True)
class DeviceCredential:
    """What a device's credential is compared with, and what its token says."""

    person: Person
    credential_sha256: bytes


async def get_or_insert_person(
    connection: Connection, person_id: UUID, phone_number: PhoneNumber, now: datetime
) -> Person:
    """The person of the number, with `person_id` if they are new. Others wait for this transaction.

    Whoever is there stays as they were, country included: it is part of the ids by which businesses
    know them, and must not change when the number plan does.
    """
    row = await connection.fetchrow(
        """
        INSERT INTO people (person_id, phone_number, country, create_time)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (phone_number) DO UPDATE SET phone_number = excluded.phone_number
        RETURNING person_id, country
        """,
        person_id,
        phone_number.e164,
        phone_number.country,
        now,
    )
    assert row is not None
    return Person(**row)


async def find_people(connection: Connection, numbers: Sequence[str]) -> dict[str, Person]:
    """The people of these E.164 numbers that have a device, by number."""
    rows = await connection.fetch(
        """
        SELECT phone_number, person_id, country
        FROM people
        WHERE phone_number = ANY($1::text[]) AND EXISTS (
            SELECT FROM ends
            WHERE owner_id = person_id AND kind = 'device' AND revoke_time IS NULL
        )
        """,
        numbers,
    )
    return {row["phone_number"]: Person(row["person_id"], row["country"]) for row in rows}


async def insert_device(
    connection: Connection,
    person_id: UUID,
    device_id: UUID,
    label: str,
    credential_sha256: bytes,
) -> None:
    """Add what only a device has to an end that was inserted before."""
    await connection.execute(
        """
        INSERT INTO devices (device_id, person_id, label, credential_sha256)
        VALUES ($1, $2, $3, $4)
        """,
        device_id,
        person_id,
        label,
        credential_sha256,
    )


async def list_devices(connection: Connection, person_id: UUID) -> list[Device]:
    """The person's devices that are not revoked, oldest first."""
    rows = await connection.fetch(
        """
        SELECT device_id, label, create_time, revoke_time
        FROM ends JOIN devices ON device_id = end_id
        WHERE owner_id = $1 AND revoke_time IS NULL
        ORDER BY create_time, device_id
        """,
        person_id,
    )
    return [Device(**row) for row in rows]


async def get_device(connection: Connection, person_id: UUID, device_id: UUID) -> Device | None:
    """A device of this person, revoked or not."""
    row = await connection.fetchrow(
        """
        SELECT device_id, label, create_time, revoke_time
        FROM ends JOIN devices ON device_id = end_id
        WHERE owner_id = $1 AND end_id = $2
        """,
        person_id,
        device_id,
    )
    return Device(**row) if row else None


async def get_device_credential(connection: Connection, device_id: UUID) -> DeviceCredential | None:
    """Of a device that is not revoked."""
    row = await connection.fetchrow(
        """
        SELECT people.person_id, country, credential_sha256
        FROM devices
        JOIN people ON people.person_id = devices.person_id
        JOIN ends ON owner_id = devices.person_id AND end_id = device_id
        WHERE device_id = $1 AND revoke_time IS NULL
        """,
        device_id,
    )
    if row is None:
        return None
    return DeviceCredential(Person(row["person_id"], row["country"]), row["credential_sha256"])


async def set_device_credential(
    connection: Connection, device_id: UUID, credential_sha256: bytes
) -> None:
    """Let the credential of this hash be the device's only one."""
    await connection.execute(
        "UPDATE devices SET credential_sha256 = $2 WHERE device_id = $1",
        device_id,
        credential_sha256,
    )
