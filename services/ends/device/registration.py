"""Registering: a phone number and the code that came to it become a device with keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc

from hudhud.identity.v1 import identity_service_pb2, identity_service_pb2_grpc
from services.ends.device.platform import Connections, Platform, may_pass
from services.ends.device.store import NotRegistered, Registering, Registration, Store
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
    """Registers a new device and keeps it in `folder`, in place of one that was there.

    `read_code` is asked once for the six digits that identity sent to the number. Raises Refusal
    (INVALID_PHONE_NUMBER, CODE_WRONG and so on) and FolderInUse; it can be tried again. A
    registration whose answer was lost is then completed, without a new code, and makes no second
    device.
    """
    store = Store(folder)
    try:
        async with connect(
            platform.identity_address, name="identity", tls=platform.authority
        ) as channel:
            stub: Any = identity_service_pb2_grpc.IdentityServiceStub
            identity = stub(channel)
            begun = store.registering(phone_number)
            if begun is not None:
                registration = await _complete_again(identity, store, begun, label)
                if registration is not None:
                    return registration
            return await _begin(identity, store, phone_number, read_code, label)
    finally:
        store.close()


async def is_registered(platform: Platform, folder: Path) -> bool:
    """Whether `folder` holds a device that identity still knows. Raises Refusal, FolderInUse."""
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


async def _begin(
    identity: Any,
    store: Store,
    phone_number: str,
    read_code: Callable[[], Awaitable[str]],
    label: str,
) -> Registration:
    started = await identity.StartRegistration(
        identity_service_pb2.StartRegistrationRequest(phone_number=phone_number)
    )
    account = EndAccount.create()
    account.generate_one_time_keys(ONE_TIME_KEYS)
    registering = Registering(
        phone_number,
        started.registration_id,
        await read_code(),
        account.pickle(store.pickle_key),
    )
    store.keep_registering(registering)
    # From here on there may be a device of these keys at identity.
    return await _complete(identity, store, registering, label)


async def _complete_again(
    identity: Any, store: Store, registering: Registering, label: str
) -> Registration | None:
    """The device of a registration that was cut off; None if identity made none of it."""
    try:
        return await _complete(identity, store, registering, label)
    except Refusal as refusal:
        if may_pass(refusal):
            raise
        return None


async def _complete(
    identity: Any, store: Store, registering: Registering, label: str
) -> Registration:
    account = EndAccount.from_pickle(registering.account, store.pickle_key)
    try:
        completed = await identity.CompleteRegistration(
            identity_service_pb2.CompleteRegistrationRequest(
                registration_id=registering.registration_id,
                code=registering.code,
                device_label=label,
                keys=account.unpublished_keys(),
            )
        )
    except Refusal as refusal:
        if not may_pass(refusal):
            store.drop_registering()
        raise
    account.mark_keys_as_published()
    registration = Registration(
        completed.person_id, completed.device.device_id, completed.device_credential
    )
    store.register(registration, account.pickle(store.pickle_key), ONE_TIME_KEYS)
    return registration
