"""Owns CompleteRegistration."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.identity.credentials import new_secret, sha256
from services.identity.domain.ends import DEVICES_MAX, Device, PublishedKeys, SignedKey
from services.identity.domain.registrations import Registration
from services.identity.errors import IdentityReasons, key_signature_invalid
from services.identity.store import ends, people, registrations
from services.kit.clock import new_id
from services.kit.database import Connection, Database
from services.kit.errors import CommonReasons, Quota, Refusal, Violation

_CREDENTIAL_PREFIX = "dc_"


class RegisteredDevice(NamedTuple):
    """A device, and what it proves itself with, which nobody can show again."""

    person_id: UUID
    device: Device
    credential: str


async def complete_registration(
    database: Database,
    code_key: bytes,
    registration_id: UUID,
    code: str,
    label: str,
    keys: PublishedKeys,
    now: datetime,
) -> RegisteredDevice:
    """The device that the registration made: now, or before with the same keys, so that an answer
    that was lost can be had again, with a new credential.

    Refuses with INVALID_FIELD, REGISTRATION_NOT_FOUND, CODE_EXPIRED, CODE_TRIES_EXHAUSTED,
    CODE_WRONG, KEY_SIGNATURE_INVALID, DEVICE_LIMIT.
    """
    fallback_key = keys.fallback_key
    if fallback_key is None:
        raise Refusal(
            CommonReasons.INVALID_FIELD,
            violations=[Violation("keys.fallback_key", "must be set for a new device")],
        )
    registration = await _spend_try(database, code_key, registration_id, code, now)
    # Only who knows the code may have us check two hundred signatures.
    if bad := await asyncio.to_thread(keys.badly_signed):
        raise key_signature_invalid(f"keys.{path}" for path in bad)

    credential = _CREDENTIAL_PREFIX + new_secret()
    async with database.transaction("complete_registration") as connection:
        # Both lock, so that a registration makes one device and a person has ten at most.
        locked = await registrations.lock(connection, registration_id)
        if locked is None:
            raise Refusal(IdentityReasons.REGISTRATION_NOT_FOUND)
        person = await people.get_or_insert_person(
            connection, new_id(), registration.phone_number, now
        )
        if locked.device_id is not None:
            device = await _get_again(connection, person.person_id, locked.device_id, keys)
            await people.set_device_credential(connection, device.device_id, sha256(credential))
        else:
            device = Device(new_id(), label, now)
            await _add(connection, person.person_id, device, keys, fallback_key, credential)
            await registrations.set_device(connection, registration_id, device.device_id)
    return RegisteredDevice(person.person_id, device, credential)


async def _spend_try(
    database: Database, code_key: bytes, registration_id: UUID, code: str, now: datetime
) -> Registration:
    """The registration, if this is its code; one try poorer, whether it is or not."""
    async with database.connection("spend_try") as connection:
        registration = await registrations.spend_try(connection, registration_id, now)
        if registration is None:
            known = await registrations.get(connection, registration_id)
            if known is None:
                raise Refusal(IdentityReasons.REGISTRATION_NOT_FOUND)
            if known.expire_time <= now:
                raise Refusal(IdentityReasons.CODE_EXPIRED)
            raise Refusal(IdentityReasons.CODE_TRIES_EXHAUSTED)
    if not registration.accepts(code, code_key):
        raise Refusal(
            IdentityReasons.CODE_WRONG, metadata={"tries_left": str(registration.tries_left)}
        )
    return registration


async def _get_again(
    connection: Connection, person_id: UUID, device_id: UUID, keys: PublishedKeys
) -> Device:
    """The device that the registration made, if these are its keys."""
    device = await people.get_device(connection, person_id, device_id)
    end = await ends.get_end(connection, person_id, device_id)
    if device is None or end is None or end.ed25519_key != keys.ed25519_key:
        raise Refusal(IdentityReasons.REGISTRATION_NOT_FOUND)
    return device


async def _add(
    connection: Connection,
    person_id: UUID,
    device: Device,
    keys: PublishedKeys,
    fallback_key: SignedKey,
    credential: str,
) -> None:
    if await ends.count_ends(connection, person_id) >= DEVICES_MAX:
        raise Refusal(
            IdentityReasons.DEVICE_LIMIT,
            quotas=[Quota(f"person:{person_id}", f"{DEVICES_MAX} devices")],
        )
    now = device.create_time
    await ends.insert_end(
        connection, "device", person_id, device.device_id, keys, fallback_key, now
    )
    await people.insert_device(
        connection, person_id, device.device_id, device.label, sha256(credential)
    )
    await ends.add_one_time_keys(connection, person_id, device.device_id, keys.one_time_keys, now)
