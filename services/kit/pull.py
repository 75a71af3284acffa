"""Owns pulling from a durable consumer: messages gather while the handler is busy.

nats-py's own `fetch` makes a task, a timer and a random id for every message, and asks for nothing
while the caller works. Here one request is always open, and what has come is taken in one go.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

EXPIRES_SECONDS = 30
HEARTBEAT_SECONDS = 5
# A request that ran its time. Any other end (deleted, moved, shut down) asks for a new beginning.
EXPIRED = ("404", "408")


class ConsumerGone(Exception):
    """The durable consumer is not there any more, or the server stopped answering for it."""


class Pull:
    """An open pull on one connection. Use it as a context manager."""

    def __init__(self, client: Client, stream: str, consumer: str, batch_max: int) -> None:
        self._client = client
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._name = consumer
        self._batch_max = batch_max
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None
        self._request = 0
        self._open_count = 0
        self._arrived: list[Msg] = []
        self._changed = asyncio.Event()
        self._gone: str | None = None

    async def __aenter__(self) -> Pull:
        self._subscription = await self._client.subscribe(
            self._inbox + ".*", cb=self._receive, pending_bytes_limit=0
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        # What has come and was not handled is delivered again once its time is over.
        if self._subscription is not None:
            with suppress(NatsError, OSError):
                await self._subscription.unsubscribe()

    async def next(self) -> list[Msg]:
        """Wait for at least one message and return all that have come, up to `batch_max`.

        Raises `ConsumerGone`.
        """
        while not self._arrived:
            if self._gone is not None:
                raise ConsumerGone(self._gone)
            if self._open_count <= 0:
                await self._ask()
            self._changed.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS * 2.5):
                    await self._changed.wait()
            except TimeoutError:
                raise ConsumerGone(f"no sign of life for consumer {self._name}") from None
        messages = self._arrived[: self._batch_max]
        del self._arrived[: self._batch_max]
        if self._open_count <= 0 and len(self._arrived) < self._batch_max:
            await self._ask()
        return messages

    async def _ask(self) -> None:
        self._request += 1
        self._open_count = self._batch_max
        request = {
            "batch": self._batch_max,
            "expires": EXPIRES_SECONDS * 1_000_000_000,
            "idle_heartbeat": HEARTBEAT_SECONDS * 1_000_000_000,
        }
        await self._client.publish(
            self._subject, json.dumps(request).encode(), reply=f"{self._inbox}.{self._request}"
        )

    async def _receive(self, message: Msg) -> None:
        self._changed.set()
        status = message.headers.get("Status") if message.headers and not message.data else None
        if status is None:
            self._open_count -= 1
            self._arrived.append(message)
            return
        if status == "100" or int(message.subject.rpartition(".")[2]) != self._request:
            return  # A heartbeat, or about a request that has been replaced.
        if status not in EXPIRED:
            description = (message.headers or {}).get("Description", "nobody answers for it")
            self._gone = f"consumer {self._name}: {description}"
        self._open_count = 0
