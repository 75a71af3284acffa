"""Owns one thing nats-py does slowly or loses: publishing many messages and counting their acks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription


@dataclass(frozen=True, slots=True)
class Stream:
    """A service's stream: where its outbox is relayed to.

    `replicas` is how many NATS servers keep it (3 in production, 1 on one machine). Messages stay
    a day longer than the outbox keeps rows, so that whatever the relay remembers must be there.
    """

    name: str
    subjects: Sequence[str]
    replicas: int = 1
    retention_days: int = 7


@dataclass(frozen=True, slots=True)
class Message:
    """What is published: `message_id` lets JetStream recognise a repetition for some minutes."""

    message_id: str
    subject: str
    payload: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ack:
    """JetStream's word that it has a message. `duplicate`: it had it before, at that sequence."""

    sequence: int
    duplicate: bool


class PublishFailed(Exception):
    """JetStream refused a message, or there is no such stream."""


class Publisher:
    """Publishes batches on one connection to one stream. Not for two batches at once."""

    def __init__(self, client: Client, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None
        self._batch = 0
        self._acks: list[Ack | None] = []
        self._missing = 0
        self._done: asyncio.Future[None] | None = None

    async def publish(
        self, messages: Sequence[Message], *, timeout_seconds: float = 5.0
    ) -> list[Ack | None]:
        """Publish all and return each one's ack in the same order, None where none came in time.

        Raises `PublishFailed` as soon as one is refused; the others may have been stored.
        """
        if self._subscription is None:
            self._subscription = await self._client.subscribe(
                self._inbox + ".*.*", cb=self._receive, pending_bytes_limit=0
            )
        self._batch += 1
        self._acks = [None] * len(messages)
        self._missing = len(messages)
        self._done = asyncio.get_running_loop().create_future()
        reply = f"{self._inbox}.{self._batch}."
        for position, message in enumerate(messages):
            await self._client.publish(
                message.subject,
                message.payload,
                reply=reply + str(position),
                headers={
                    "Nats-Msg-Id": message.message_id,
                    "Nats-Expected-Stream": self._stream,
                    **message.headers,
                },
            )
        try:
            await asyncio.wait_for(self._done, timeout_seconds)
        except asyncio.TimeoutError:
            pass
        finally:
            self._done = None
        return self._acks

    async def _receive(self, message: Msg) -> None:
        _, batch, position = message.subject.rsplit(".", 2)
        if self._done is None or self._done.done() or int(batch) != self._batch:
            return  # An ack that came too late: its batch was given up.
        if message.headers and message.headers.get("Status") == "503":
            self._done.set_exception(PublishFailed(f"there is no stream {self._stream}"))
            return
        answer = json.loads(message.data)
        if "error" in answer:
            self._done.set_exception(PublishFailed(answer["error"].get("description", answer)))
            return
        if self._acks[int(position)] is None:
            self._acks[int(position)] = Ack(answer["seq"], answer.get("duplicate", False))
            self._missing -= 1
            if self._missing == 0:
                self._done.set_result(None)
