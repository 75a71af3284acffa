"""Bytes of one message on each connection: on a platform of its own, all of it tapped."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from services.local.benchmark import echo
from services.local.benchmark.parties import PEOPLE, message, open_phones, sending_businesses
from services.local.benchmark.storage import wait_until_settled
from services.local.benchmark.wire import tapped_doors, tapped_platform

MESSAGES: Final = 2_000
CONCURRENCY: Final = 64

# Takes a figure: its name, value and unit.
Add = Callable[[str, float, str], None]


async def measure(state: Path, add: Add) -> None:
    """Send and deliver, and tell `add` what each connection carried for each message.

    PostgreSQL and NATS have to be our own: a tap in front of others would meet their certificates.
    """
    await asyncio.to_thread(shutil.rmtree, state, ignore_errors=True)
    async with AsyncExitStack() as stack:
        platform, taps = await stack.enter_async_context(tapped_platform(state))
        of_business = await tapped_doors(platform, taps, "business")
        of_device = await tapped_doors(platform, taps, "device")
        [business] = await stack.enter_async_context(sending_businesses(of_business))
        phones = await open_phones(of_device, business)
        for phone in phones:
            await stack.enter_async_context(phone)
        await wait_until_settled(platform)
        before = taps.bytes_carried.copy()
        waiting = iter([message(number % PEOPLE, number) for number in range(MESSAGES)])

        async def send() -> None:
            await business.send(next(waiting))

        await echo.run_concurrently(send, times=MESSAGES, concurrency=CONCURRENCY)
        await wait_until_settled(platform)
        carried = taps.bytes_carried - before
    if platform.postgres is not None:
        platform.postgres.erase()
    for caller, peer, direction in sorted(carried):
        count = carried[caller, peer, direction]
        add(f"wire_{caller}_{peer}_{direction}", count / MESSAGES, "bytes")
