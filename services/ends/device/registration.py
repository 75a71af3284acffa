"""Registering: a phone number and the code that came to it become a device with keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc

from hudhud.identity.v1 import identity_service_pb2, identity_service_pb2_grpc
from services.ends.device.platform import Connections, Platform
from services.ends.device.store import NotRegistered, Registration, Store
from services.ends.sealing.accounts import EndAccount
from services.kit.client import connect
from services.kit.errors import Refusal

ONE_TIME_KEYS = 50


async def register(
    platform: Platform,
    folder: Path,
    phone_number: str,
    read_code: Callable[[], Awaitable[str]],
    *,
    label: str = "",
) -> Registration:
    """Registers a new device and keeps it in `folder`.

    `read_code` is asked once for the six digits that identity sent to the number. Raises Refusal
    (INVALID_PHONE_NUMBER, CODE_WRONG and so on); then nothing is kept and it can be tried again.
    """
    account = EndAccount.create()
    account.generate_one_time_keys(ONE_TIME_KEYS)
    async with connect(
        platform.identity_address, name="identity", tls=platform.authority
    ) as channel:
        stub: Any = identity_service_pb2_grpc.IdentityServiceStub
        identity = stub(channel)
        started = await identity.StartRegistration(
            identity_service_pb2.StartRegistrationRequest(phone_number=phone_number)
        )
        completed = await identity.CompleteRegistration(
            identity_service_pb2.CompleteRegistrationRequest(
                registration_id=started.registration_id,
                code=await read_code(),
                device_label=label,
                keys=account.unpublished_keys(),
            )
        )
    account.mark_keys_as_published()
    registration = Registration(
        completed.person_id, completed.device.device_id, completed.device_credential
    )
    store = Store(folder)
    try:
        store.register(registration, account.pickle(store.pickle_key), ONE_TIME_KEYS)
    finally:
        store.close()
    return registration


async def is_registered(platform: Platform, folder: Path) -> bool:
    """Whether `folder` holds a device that identity still knows. Raises Refusal."""
    if not (folder / "device.sqlite").exists():
        return False
    store = Store(folder)
    try:
        async with Connections(platform, store.registration()) as connections:
            await connections.identity.ListDevices(identity_service_pb2.ListDevicesRequest())
    except NotRegistered:
        return False
    except Refusal as refusal:
        if refusal.reason.status in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.NOT_FOUND):
            return False
        raise
    finally:
        store.close()
    return True
