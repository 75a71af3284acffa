"""Waits for what must become true, instead of for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable


async def eventually(
    condition: Callable[[], bool | Awaitable[bool]], seconds_max: float = 30.0
) -> None:
    """Return as soon as the condition holds; fail if it does not within `seconds_max`."""
    deadline = asyncio.get_running_loop().time() + seconds_max
    while True:
        answer = condition()
        if await answer if isawaitable(answer) else answer:
            return
        assert asyncio.get_running_loop().time() < deadline, "it did not become true in time"
        await asyncio.sleep(0.005)
