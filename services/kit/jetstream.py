"""Owns publishing to JetStream: a batch at a time, and what it answered to each message.

nats-py's own `publish_async` loses its futures, and the room they take, when a connection breaks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError


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


class Refused(Exception):
    """JetStream does not take this message."""


class Publisher:
    """Publishes batches on one connection to one stream, one batch at a time.

    Use it as a context manager.
    """

    def __init__(self, client: Client, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None
        self._batch = 0
        self._outcomes: list[Ack | Refused | None] = []
        self._missing = 0
        self._complete = asyncio.Event()

    async def __aenter__(self) -> Publisher:
        self._subscription = await self._client.subscribe(
            self._inbox + ".*.*", cb=self._receive, pending_bytes_limit=0
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._subscription is not None:
            with suppress(NatsError, OSError):
                await self._subscription.unsubscribe()

    async def publish(
        self, messages: Sequence[Message], *, timeout_seconds: float = 5.0
    ) -> list[Ack | Refused | None]:
        """Publish all and return each one's outcome in the same order.

        None where no answer came in time: the message may have been stored, or not.
        """
        self._batch += 1
        self._outcomes = [None] * len(messages)
        self._missing = len(messages)
        self._complete.clear()
        reply = f"{self._inbox}.{self._batch}."
        for position, message in enumerate(messages):
            await self._client.publish(
                message.subject,
                message.payload,
                reply=reply + str(position),
                headers={"Nats-Msg-Id": message.message_id, **message.headers},
            )
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._complete.wait()
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    async def _receive(self, message: Msg) -> None:
        _, batch, position = message.subject.rsplit(".", 2)
        if int(batch) != self._batch or not self._outcomes:
            return  # An answer that came too late: its batch was given up.
        if self._outcomes[int(position)] is not None:
            return
        self._outcomes[int(position)] = read_answer(message, self._stream)
        self._missing -= 1
        if self._missing == 0:
            self._complete.set()


def read_answer(message: Msg, stream: str) -> Ack | Refused:
    """What JetStream answered to a message published to a stream."""
    if message.headers and message.headers.get("Status") == "503":
        return Refused("no stream takes this subject")
    answer = json.loads(message.data.decode())
    if "error" in answer:
        return Refused(answer["error"].get("description", "refused without a reason"))
    if answer["stream"] != stream:
        return Refused(f"the stream {answer['stream']} takes this subject")
    return Ack(answer["seq"], answer.get("duplicate", False))
