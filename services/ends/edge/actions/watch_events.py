"""Watching: a business's events from a cursor on, for as long as it listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from services.ends.edge.domain import StoredEvent
from services.ends.edge.store import Store
from services.kit.wakeups import Wakeups

EVENTS_AT_A_TIME: Final = 256


class WatchEvents:
    """Reads events as they come."""

    def __init__(self, store: Store, wakeups: Wakeups, *, poll_seconds: float = 5.0) -> None:
        """A lost wake-up costs at most `poll_seconds`."""
        self._store = store
        self._wakeups = wakeups
        self._poll_seconds = poll_seconds

    async def __call__(
        self, business_id: str, after_cursor: int
    ) -> AsyncGenerator[list[StoredEvent], None]:
        """Events in the order of their cursors, without end."""
        async with self._wakeups.listen(business_id) as woken:
            while True:
                woken.clear()
                events = await self._store.list_events(business_id, after_cursor, EVENTS_AT_A_TIME)
                if events:
                    after_cursor = events[-1].cursor
                    yield events
                    continue
                try:
                    # Not wait_for, which before Python 3.12 can lose a cancellation.
                    async with asyncio.timeout(self._poll_seconds):
                        await woken.wait()
                except TimeoutError:
                    continue
