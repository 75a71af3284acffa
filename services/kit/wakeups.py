"""Owns the tap on the shoulder: telling whoever waits for an id, on any replica, to look now.

A wake-up carries nothing and may be lost; who waits also looks from time to time. So a lost one
costs time, never a message.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from services.kit.nats import Nats

logger = logging.getLogger(__name__)

SUBJECT = "hudhud.wake"


class Wakeups:
    """Wakes and is woken by id. `run` keeps the subscriptions over lost connections."""

    def __init__(self, nats: Nats, *, subject: str = SUBJECT) -> None:
        self._nats = nats
        self._subject = subject
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._client: Client | None = None
        self._pending: set[str] = set()
        self._flush: asyncio.Task[None] | None = None

    def wake(self, ids: Iterable[UUID | str]) -> None:
        """Wake whoever waits for these ids, here and on other replicas. Call it after a commit.

        Cheap and never raises; the same id twice in one turn of the event loop is sent once.
        """
        for id in ids:
            name = str(id)
            self._pending.add(name)
            for event in self._waiting.get(name, ()):
                event.set()
        if self._pending and (self._flush is None or self._flush.done()):
            self._flush = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        while self._pending:
            names, self._pending = self._pending, set()
            client = self._nats.client
            if client is None:
                return  # They look by themselves, later.
            with suppress(NatsError, OSError):
                for name in names:
                    await client.publish(f"{self._subject}.{name}")

    @asynccontextmanager
    async def listen(self, id: UUID | str) -> AsyncIterator[asyncio.Event]:
        """Yield an event that is set whenever the id is woken; clear it, then look, then wait.

        It is also set when a lost connection to NATS is back, for what was missed meanwhile.
        """
        name = str(id)
        event = asyncio.Event()
        events = self._waiting.setdefault(name, set())
        events.add(event)
        try:
            if len(events) == 1:
                await self._subscribe(name)
            yield event
        finally:
            events.discard(event)
            if not events and self._waiting.get(name) is events:
                del self._waiting[name]
                subscription = self._subscriptions.pop(name, None)
                if subscription is not None:
                    with suppress(NatsError, OSError):
                        await subscription.unsubscribe()

    async def run(self) -> None:
        """Keep listening until cancelled."""
        while True:
            with suppress(NatsError, OSError):
                await self._nats.serve(self._listen_all)
            await asyncio.sleep(0)

    async def _listen_all(self, client: Client) -> None:
        self._client = client
        self._subscriptions.clear()
        try:
            for name in list(self._waiting):
                await self._subscribe(name)
            for events in self._waiting.values():
                for event in events:
                    event.set()
            await asyncio.Event().wait()
        finally:
            self._client = None

    async def _subscribe(self, name: str) -> None:
        client = self._client
        if client is None or name in self._subscriptions:
            return  # `run` subscribes once there is a connection.

        async def woken(_: Msg) -> None:
            for event in self._waiting.get(name, ()):
                event.set()

        with suppress(NatsError, OSError):
            subscription = await client.subscribe(
                f"{self._subject}.{name}", cb=woken, pending_msgs_limit=16
            )
            if name in self._waiting and client is self._client:
                self._subscriptions[name] = subscription
            else:
                await subscription.unsubscribe()
