"""The road of an event, for tests: an outbox at one end, a handler at the other."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from nats.js import JetStreamContext

from services.kit.clock import new_id
from services.kit.consumer import Consumer
from services.kit.database import Database
from services.kit.jetstream import Stream
from services.kit.nats import Nats
from services.kit.outbox import Event, append
from services.kit.relay import Relay

STREAM = Stream("test", ["hudhud.test.>"])


def make_relay(database: Database, nats: Nats, **settings: Any) -> Relay:
    """A relay that does not keep a test waiting."""
    return Relay(
        database,
        nats,
        STREAM,
        **{"retry_seconds": 0.05, "poll_seconds": 0.1, "check_seconds": 0.1, **settings},
    )


def make_consumer(
    database: Database, nats: Nats, handler: Callable[[list[Event]], Awaitable[None]], **more: Any
) -> Consumer:
    """A consumer of everything in the stream, that does not keep a test waiting."""
    return Consumer(
        database,
        nats,
        stream=STREAM.name,
        **{
            "name": "reader",
            "subjects": ["hudhud.test.>"],
            "handler": handler,
            "retry_seconds": 0.05,
            "backoff_seconds": 0.05,
            "backoff_seconds_max": 0.2,
            **more,
        },
    )


class Reader:
    """A handler that remembers what it was given."""

    def __init__(self) -> None:
        self.events: dict[UUID, Event] = {}
        self.batches: list[int] = []

    async def __call__(self, events: list[Event]) -> None:
        self.batches.append(len(events))
        for event in events:
            self.events[event.event_id] = event
        await asyncio.sleep(0)

    def has(self, ids: Sequence[UUID]) -> bool:
        """Whether exactly these events were read."""
        assert self.events.keys() <= set(ids), "read what nobody wrote"
        return self.events.keys() == set(ids)


async def write(
    database: Database, count: int, subject: str = "hudhud.test.happened"
) -> list[UUID]:
    """Append events, a hundred in a transaction, and return their ids."""
    events = [Event(new_id(), subject, f"event {n}".encode()) for n in range(count)]
    for start in range(0, count, 100):
        async with database.transaction("write") as connection:
            await append(connection, events[start : start + 100])
    return [event.event_id for event in events]


async def pending(database: Database) -> int:
    """How many events still have to be relayed."""
    async with database.connection("pending") as connection:
        return int(await connection.fetchval("SELECT count(*) FROM outbox_pending"))


async def relayed(database: Database) -> bool:
    """Whether nothing waits to be relayed."""
    return await pending(database) == 0


async def generation(database: Database) -> int:
    """How many losses of the stream were made good."""
    async with database.connection("generation") as connection:
        return int(await connection.fetchval("SELECT generation FROM relay_streams") or 0)


async def jetstream(nats: Nats) -> JetStreamContext:
    """JetStream on the connection of this moment."""
    return (await nats.connected()).jetstream()


async def stored(nats: Nats) -> list[UUID]:
    """The event ids in the stream, in the stream's order."""
    context = await jetstream(nats)
    info = await context.stream_info(STREAM.name)
    ids = []
    for sequence in range(info.state.first_seq, info.state.last_seq + 1):
        message = await context.get_msg(STREAM.name, sequence)
        assert message.headers is not None
        ids.append(UUID(message.headers["Nats-Msg-Id"][:36]))
    return ids


@asynccontextmanager
async def running(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs coroutines beside what is inside, and ends them."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
