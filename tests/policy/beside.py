"""Work that runs beside a test, and waiting for what it does."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any


class Beside:
    """Work that runs beside a test."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def __call__(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it until `stop`."""
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def until(self, condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
        """Return when the condition holds; TimeoutError if it does not."""
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110 - what happens elsewhere sets no event
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
