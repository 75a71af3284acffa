"""Owns the tap on the shoulder: telling whoever waits for an id, on any replica, to look now.

A wake-up carries nothing and may be lost; who waits also looks from time to time. So a lost one
costs time, never a message.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from services.kit.nats import Disconnected, Nats

logger = logging.getLogger(__name__)

SUBJECT = "hudhud.wake"


class Wakeups:
    """Wakes and is woken by id. `run` keeps the subscriptions over lost connections."""

    def __init__(self, nats: Nats, *, subject: str = SUBJECT) -> None:
        # Whether wake-ups from other replicas arrive at this moment.
        self.listening = False
        self._nats = nats
        self._subject = subject
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._subscriptions: dict[str, Subscription | None] = {}
        self._client: Client | None = None
        self._pending: set[str] = set()
        self._sender: asyncio.Task[None] | None = None

    def wake(self, ids: Iterable[UUID | str]) -> None:
        """Wake whoever waits for these ids, here and on other replicas. Call it after a commit.

        Cheap and never raises; the same id twice in one turn of the event loop is sent once.
        """
        for name in map(str, ids):
            self._pending.add(name)
            self._set(name)
        if self._pending and (self._sender is None or self._sender.done()):
            self._sender = asyncio.get_running_loop().create_task(
                self._send(), context=contextvars.Context()
            )

    async def _send(self) -> None:
        while self._pending:
            names, self._pending = self._pending, set()
            client = self._nats.client
            if client is None:
                continue  # Whoever waits looks by itself, later.
            with suppress(NatsError, OSError):
                for name in names:
                    await client.publish(f"{self._subject}.{name}")

    def _set(self, name: str) -> None:
        for event in self._waiting.get(name, ()):
            event.set()

    @asynccontextmanager
    async def listen(self, waiter: UUID | str) -> AsyncIterator[asyncio.Event]:
        """Yield an event that is set whenever that id is woken: clear it, look, wait for it.

        It is also set when a lost connection to NATS is back, for what was missed meanwhile.
        """
        name = str(waiter)
        event = asyncio.Event()
        events = self._waiting.setdefault(name, set())
        events.add(event)
        try:
            if self._client is not None and await self._subscribe(self._client, name):
                await _make_sure(self._client)
            yield event
        finally:
            events.discard(event)
            if not events:
                await self._forget(name)

    async def _subscribe(self, client: Client, name: str) -> bool:
        if name in self._subscriptions:
            return False
        self._subscriptions[name] = None  # Being made.

        async def woken(_: Msg) -> None:
            self._set(name)

        try:
            # Sixteen wake-ups that nobody has looked at say no more than one.
            self._subscriptions[name] = await client.subscribe(
                f"{self._subject}.{name}", cb=woken, pending_msgs_limit=16
            )
        except (NatsError, OSError):
            self._subscriptions.pop(name, None)
            return False
        if name not in self._waiting:
            await self._forget(name)  # Everybody left meanwhile.
        return True

    async def _forget(self, name: str) -> None:
        self._waiting.pop(name, None)
        subscription = self._subscriptions.pop(name, None)
        if subscription is not None:
            with suppress(NatsError, OSError):
                await subscription.unsubscribe()

    async def run(self) -> None:
        """Keep listening until cancelled, over as many connections as it takes."""
        while True:
            try:
                await self._nats.serve(self._listen)
            except (Disconnected, NatsError, OSError):
                logger.debug("not listening for wake-ups until NATS is back")
            await asyncio.sleep(0)

    async def _listen(self, client: Client) -> None:
        self._subscriptions.clear()
        self._client = client
        try:
            for name in list(self._waiting):
                await self._subscribe(client, name)
            await _make_sure(client)
            for name in self._waiting:
                self._set(name)
            self.listening = True
            await asyncio.Event().wait()
        finally:
            self.listening = False
            self._client = None


async def _make_sure(client: Client) -> None:
    """Return once the server knows of the subscriptions: a wake-up after the next look arrives.

    Twice, because the library sends a flush's PING ahead of commands that it has buffered.
    """
    with suppress(NatsError, OSError):
        await client.flush(5)
        await client.flush(5)
