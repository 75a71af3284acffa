"""What is paid besides a message on a trodden road: first words, new wordings, idle streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

from nats.aio.client import Client

from hudhud.identity.v1 import identity_service_pb2, identity_service_pb2_grpc
from services.ends.device.device import Device
from services.ends.device.mailbox import MailboxStream
from services.ends.device.platform import Connections
from services.identity.credentials import SecretHasher, new_secret
from services.kit.client import connect
from services.kit.nats import Nats, tls_context
from services.kit.wakeups import Wakeups
from services.local.benchmark import echo, usage
from services.local.benchmark.parties import (
    PEOPLE,
    message,
    sending_businesses,
    unlike_messages,
)
from services.local.parties import Business, Doors
from services.local.platform import LocalPlatform

BUSINESSES: Final = 10
CONCURRENCY: Final = 64
STREAMS: Final = 800
STREAMS_BEGUN_AT_ONCE: Final = 8
WAKES: Final = 10
# Long enough for the work that was set off: nobody answers when it is done.
QUIET_SECONDS: Final = 0.5
HASHES: Final = 20

# Takes a figure: its name, value and unit.
Add = Callable[[str, float, str], None]
# Takes the name of a stage, what was used before it, and how many times it did its work.
KeepCpu = Callable[[str, dict[str, float], int], None]


async def measure_first_words(platform: LocalPlatform, doors: Doors, keep_cpu: KeepCpu) -> None:
    """Businesses write to people for the first time: keys are claimed, sessions begin."""
    async with sending_businesses(doors, BUSINESSES) as businesses:
        for business in businesses:
            await business.connect()
        waiting = iter(
            [(business, message(number, 1)) for number in range(PEOPLE) for business in businesses]
        )

        async def send() -> None:
            business, first = next(waiting)
            await business.send(first)

        before = usage.cpu_seconds(platform)
        count = PEOPLE * BUSINESSES
        await echo.run_concurrently(send, times=count, concurrency=CONCURRENCY)
        keep_cpu("first_words", before, count)


async def measure_new_wordings(
    platform: LocalPlatform, business: Business, add: Add, keep_cpu: KeepCpu
) -> None:
    """Free words that the classifier has not read before."""
    messages = list(unlike_messages())
    waiting = iter(messages)
    accepted = 0

    async def send() -> None:
        nonlocal accepted
        outcome = await business.send(next(waiting))
        accepted += outcome.HasField("accepted")

    before = usage.cpu_seconds(platform)
    await echo.run_concurrently(send, times=len(messages), concurrency=CONCURRENCY)
    keep_cpu("new_wordings", before, len(messages))
    add("new_wordings_accepted", accepted / len(messages), "of all")


async def measure_streams(
    platform: LocalPlatform, doors: Doors, phones: Sequence[Device], add: Add, keep_cpu: KeepCpu
) -> None:
    """Delivery streams, each over a connection of its own: begun, woken for nothing, begun anew."""
    memory = usage.memory_megabytes(platform)["messaging"]
    before = usage.cpu_seconds(platform)
    room = asyncio.Semaphore(STREAMS_BEGUN_AT_ONCE)
    async with AsyncExitStack() as stack:

        async def connect_and_attach(phone: Device) -> Connections:
            async with room:
                connections = Connections(doors.platform(), phone.registration)
                await stack.enter_async_context(connections)
                await stack.enter_async_context(MailboxStream(connections.messaging.Attach()))
            return connections

        async def attach_again(connections: Connections) -> None:
            async with room:
                await stack.enter_async_context(MailboxStream(connections.messaging.Attach()))

        start = time.perf_counter()
        opened = await asyncio.gather(
            *(connect_and_attach(phones[number % PEOPLE]) for number in range(STREAMS))
        )
        add("streams_attached_per_s", STREAMS / (time.perf_counter() - start), "streams/s")
        await asyncio.sleep(QUIET_SECONDS)
        keep_cpu("attach", before, STREAMS)
        grown = usage.memory_megabytes(platform)["messaging"] - memory
        add("stream_memory", grown * 1000 / STREAMS, "kB")
        await _wake_for_nothing(platform, phones, keep_cpu)
        before = usage.cpu_seconds(platform)
        await asyncio.gather(*map(attach_again, opened))
        await asyncio.sleep(QUIET_SECONDS)
        keep_cpu("attach_again", before, STREAMS)


async def _wake_for_nothing(
    platform: LocalPlatform, phones: Sequence[Device], keep_cpu: KeepCpu
) -> None:
    """Each stream looks into an empty mailbox, as it does by itself from time to time."""
    identity = platform.identity()
    nats = Nats(
        platform.nats_url,
        name="benchmark",
        tls=tls_context(identity.certificate_file, identity.key_file, identity.authority_file),
    )
    wakeups = Wakeups(nats)

    async def wake(_client: Client) -> None:
        for _ in range(WAKES):
            wakeups.wake(phone.registration.device_id for phone in phones)
            await asyncio.sleep(QUIET_SECONDS)

    nats.start()
    before = usage.cpu_seconds(platform)
    await nats.serve(wake)
    await nats.close()
    keep_cpu("look", before, STREAMS * WAKES)


async def measure_tokens(
    platform: LocalPlatform, doors: Doors, phone: Device, keep_cpu: KeepCpu
) -> None:
    """A device proves its credential and gets a token."""
    request = identity_service_pb2.ExchangeDeviceCredentialRequest(
        device_id=phone.registration.device_id, device_credential=phone.registration.credential
    )
    address = doors.address("identity")
    async with connect(address, name="identity", tls=doors.authority) as channel:
        stub: Any = identity_service_pb2_grpc.IdentityServiceStub(channel)

        async def exchange() -> None:
            await stub.ExchangeDeviceCredential(request)

        before = usage.cpu_seconds(platform)
        await echo.run_concurrently(exchange, times=STREAMS, concurrency=STREAMS_BEGUN_AT_ONCE)
    keep_cpu("token", before, STREAMS)


async def measure_hash(add: Add) -> None:
    """What it costs to prove an API key, once in each process of identity."""
    hasher = SecretHasher()
    secret = new_secret()
    used = time.process_time()
    for _ in range(HASHES):
        await hasher.hash(secret)
    hasher.close()
    add("api_key_cpu", (time.process_time() - used) / HASHES * 1e6, "us")
