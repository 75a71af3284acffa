"""The relay by itself: one process brings a full outbox to JetStream, and nobody listens."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Final

from services.kit.clock import new_id
from services.kit.database import Database
from services.kit.jetstream import Stream
from services.kit.nats import Nats, tls_context
from services.kit.outbox import Event, append
from services.kit.relay import Relay
from services.local.errors import LocalError
from services.local.platform import LocalPlatform

SERVICE: Final = "messaging"
EVENTS: Final = 20_000
PAYLOAD_BYTES: Final = 220
SECONDS_MAX: Final = 120.0

# Takes a figure: its name, value and unit.
Add = Callable[[str, float, str], None]


async def measure(platform: LocalPlatform, add: Add) -> None:
    """Stop messaging, and do in this process what the leader of its relay does."""
    await platform.stop(SERVICE)
    identity = platform.identity()
    nats = Nats(
        platform.nats_url,
        name="benchmark",
        tls=tls_context(identity.certificate_file, identity.key_file, identity.authority_file),
    )
    nats.start()
    database = await Database.open(platform.database_url(SERVICE), name="benchmark")
    relay = Relay(database, nats, Stream(SERVICE, [f"hudhud.{SERVICE}.>"]))
    try:
        payload = os.urandom(PAYLOAD_BYTES)
        for _ in range(0, EVENTS, 1000):
            async with database.transaction("fill_outbox") as connection:
                await append(
                    connection,
                    [Event(new_id(), f"hudhud.{SERVICE}.nothing", payload) for _ in range(1000)],
                )
        start, used = time.perf_counter(), time.process_time()
        relaying = asyncio.get_running_loop().create_task(relay.run())
        while relay.relayed_count < EVENTS:
            if time.perf_counter() - start > SECONDS_MAX:
                raise LocalError("the relay did not come to the end of its outbox")
            await asyncio.sleep(0.01)
        add("relay_per_s", EVENTS / (time.perf_counter() - start), "events/s")
        add("relay_cpu", (time.process_time() - used) / EVENTS * 1e6, "us")
        relaying.cancel()
        await asyncio.gather(relaying, return_exceptions=True)
    finally:
        await nats.close()
        await database.close()
