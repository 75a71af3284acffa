"""Owns time: reading it, waiting for it, and minting ids that sort by it.

Whatever decides by time takes a `Clock`, so that tests move time instead of waiting for it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    """What a service knows of time."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back. For measuring durations."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._monotonic = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._arrivals: list[tuple[int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        awake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), awake))
        for count, arrival in self._arrivals:
            if not arrival.done() and self.sleepers >= count:
                arrival.set_result(None)
        await awake

    @property
    def sleepers(self) -> int:
        """How many are asleep on this clock."""
        return sum(1 for _, _, awake in self._sleepers if not awake.done())

    async def wait_for_sleepers(self, count: int = 1) -> None:
        """Return once `count` are asleep: the moment at which to advance."""
        if self.sleepers >= count:
            return
        arrival: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrivals.append((count, arrival))
        try:
            await arrival
        finally:
            self._arrivals.remove((count, arrival))

    def advance(self, seconds: float) -> None:
        """Move on by `seconds` and wake, in order, everybody whose time has come.

        Whoever sleeps again does so from the new time: a loop wakes once for each advance.
        """
        if seconds < 0:
            raise ValueError("time does not go back")
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
        while self._sleepers and self._sleepers[0][0] <= self._monotonic:
            _, _, awake = heapq.heappop(self._sleepers)
            if not awake.done():
                awake.set_result(None)


_last_tick = 0


def new_id() -> UUID:
    """Mint a UUID of version 7 (RFC 9562, section 5.7); each is greater than the one before.

    The 12 bits after the version hold the fraction of the millisecond (section 6.2, method 3),
    so that ids minted by one process sort as they were minted, and rows land side by side.
    """
    global _last_tick
    _last_tick = max(time.time_ns() * 4096 // 1_000_000, _last_tick + 1)
    milliseconds, fraction = divmod(_last_tick, 4096)
    return UUID(
        int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    )
