"""Owns a client's access token: had when first needed, renewed before it ends."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from services.kit.clock import Clock, SystemClock

RENEWAL_MARGIN = timedelta(seconds=60)


class TokenSource:
    """The token of one business or device.

    `exchange` gets a new one: its text and when it ends. It is asked once, however many wait, and
    again `margin` before the end; if it fails then, the old token is used while it lasts.
    """

    def __init__(
        self,
        exchange: Callable[[], Awaitable[tuple[str, datetime]]],
        *,
        clock: Clock | None = None,
        margin: timedelta = RENEWAL_MARGIN,
    ) -> None:
        self._exchange = exchange
        self._clock = clock or SystemClock()
        self._margin = margin
        self._text = ""
        self._expire_time: datetime | None = None
        self._renewal: asyncio.Task[None] | None = None

    async def text(self) -> str:
        """A token that is still good. Raises what `exchange` raises."""
        now = self._clock.now()
        if self._expire_time is not None and now < self._expire_time - self._margin:
            return self._text
        if self._renewal is None:
            self._renewal = asyncio.get_running_loop().create_task(
                self._renew(), context=contextvars.Context()
            )
        try:
            await asyncio.shield(self._renewal)
        except Exception:
            if self._expire_time is None or self._clock.now() >= self._expire_time:
                raise
        return self._text

    def forget(self) -> None:
        """Take the token for bad: it was refused."""
        self._expire_time = None

    async def _renew(self) -> None:
        try:
            self._text, self._expire_time = await self._exchange()
        finally:
            self._renewal = None
