"""Owns the connection to NATS: kept for as long as the process lives, whatever NATS does.

The client library can reconnect by itself, but then forgets requests that were under way, ends for
good on some errors of the server, and may stop reading without saying so. So a connection here is
used until it breaks and then replaced by a new one; whoever works on it works on one connection at
a time (`Nats.serve`) and starts over, from what PostgreSQL and JetStream remember, on the next.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from nats.aio.client import Client
from nats.errors import Error as NatsError

from services.kit.backoff import Backoff
from services.kit.clock import Clock, SystemClock
from services.kit.troubles import Troubles

R = TypeVar("R")

logger = logging.getLogger(__name__)

DELAY_SECONDS_MIN = 0.1
DELAY_SECONDS_MAX = 2.0


class Disconnected(Exception):
    """The connection to NATS broke while something was being done on it."""


class Nats:
    """One process's way to NATS. `start` returns at once: a service runs with NATS down."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`url` may name several servers, separated by commas; `name` shows in NATS itself."""
        self._servers = [server.strip() for server in url.split(",")]
        self._name = name
        self._tls = tls
        self._clock = clock or SystemClock()
        self._client: Client | None = None
        self._changed = asyncio.Condition()
        self._troubles = Troubles(logger, name, self._clock)
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def client(self) -> Client | None:
        """The connection of this moment, or None while there is none."""
        client = self._client
        return client if client is not None and client.is_connected else None

    def start(self) -> None:
        """Begin to connect, in the background and for ever."""
        if self._supervisor is None:
            self._supervisor = asyncio.get_running_loop().create_task(
                self._supervise(), name="nats"
            )

    async def close(self) -> None:
        """Send what is buffered and disconnect for good."""
        if self._supervisor is not None:
            await _end(self._supervisor)
            self._supervisor = None

    async def connected(self) -> Client:
        """Wait for a connection, however long it takes."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.client is not None)
            assert self._client is not None
            return self._client

    async def serve(self, function: Callable[[Client], Awaitable[R]]) -> R:
        """Wait for a connection and run `function` on it.

        Raises `Disconnected`, having cancelled the function, when that connection breaks first.
        """
        client = await self.connected()
        work = asyncio.ensure_future(function(client))
        broken = asyncio.ensure_future(self._broken(client))
        try:
            await asyncio.wait({work, broken}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise Disconnected("the connection to NATS broke")
            return work.result()
        finally:
            await _end(work)
            await _end(broken)

    async def _broken(self, client: Client) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._client is not client)

    async def _supervise(self) -> None:
        place = ", ".join(self._servers)
        backoff = Backoff(DELAY_SECONDS_MIN, DELAY_SECONDS_MAX)
        while True:
            closed = asyncio.Event()
            client = Client()
            try:
                await self._connect(client, closed)
                logger.info("connected to NATS at %s", place)
                self._troubles.over()
                backoff.over()
                await self._set_client(client)
                # The library does not always say so: it may close itself and fail in doing it.
                while client.is_connected:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.25):
                            await closed.wait()
                logger.warning("lost the connection to NATS")
            except Exception as error:
                reason = str(error) or type(error).__name__
                self._troubles.tell(f"no connection to NATS at {place}, events wait: {reason}")
            finally:
                await self._set_client(None)
                await _discard(client)
            await self._clock.sleep(backoff.pause_seconds())

    async def _connect(self, client: Client, closed: asyncio.Event) -> None:
        async def on_closed() -> None:
            closed.set()

        async def on_error(error: Exception) -> None:
            logger.debug("NATS: %s", str(error) or type(error).__name__)

        async with asyncio.timeout(10.0):
            await client.connect(
                self._servers,
                name=self._name,
                tls=self._tls,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=3,
                # A peer that vanished without a word is noticed within three of these.
                ping_interval=5,
                max_outstanding_pings=2,
                no_echo=True,
                closed_cb=on_closed,
                error_cb=on_error,
            )

    async def _set_client(self, client: Client | None) -> None:
        async with self._changed:
            self._client = client
            self._changed.notify_all()


async def _end(task: asyncio.Future[R]) -> None:
    """Cancel until it heeds: `asyncio.wait_for`, which the library uses, loses a cancellation that
    comes together with what it waits for (in Python before 3.12).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=1.0)
    if not task.cancelled():
        task.exception()  # Seen here, whatever it is: the connection it was about is gone.


async def _discard(client: Client) -> None:
    try:
        async with asyncio.timeout(3.0):
            await client.close()
    except (TimeoutError, NatsError, OSError, AttributeError, AssertionError) as error:
        logger.debug("closing a connection to NATS: %s", error)


def tls_context(certificate: Path, key: Path, authority: Path) -> ssl.SSLContext:
    """Make the TLS side of a client that shows a certificate and trusts one authority."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(authority))
    context.load_cert_chain(str(certificate), str(key))
    return context
