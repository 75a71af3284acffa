"""Every event is handled, again if it has to be, and a bad one holds up nobody."""

import asyncio
from collections.abc import Callable
from functools import partial
from uuid import UUID

import pytest

from services.kit.consumer import Consumer
from services.kit.database import Database, DatabaseUnavailable
from services.kit.logs import fields
from services.kit.nats import Nats
from services.kit.outbox import Event, append
from services.kit.relay import Relay
from services.local.nats import Nats as Server
from tests.fixtures.waiting import eventually
from tests.kit.road import (
    STREAM,
    Reader,
    jetstream,
    make_consumer,
    make_relay,
    relayed,
    running,
    write,
)

Start = Callable[..., Server]
Connect = Callable[[str], Nats]
Beside = Callable[..., object]


class Picky(Reader):
    """Refuses batches with certain events in them."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.bad: set[UUID] = set()
        self.refused: list[int] = []
        self.error = error

    async def __call__(self, events: list[Event]) -> None:
        if any(event.event_id in self.bad for event in events):
            self.refused.append(len(events))
            raise self.error
        await super().__call__(events)


async def is_parked(database: Database, *event_ids: UUID) -> bool:
    """Whether exactly these are."""
    return await parked(database) == sorted(event_ids)


async def parked(database: Database) -> list[UUID]:
    async with database.connection("look") as connection:
        rows = await connection.fetch("SELECT event_id FROM consumer_parked ORDER BY event_id")
    return [row["event_id"] for row in rows]


@pytest.fixture
async def nats(start_nats: Start, connect: Connect) -> Nats:
    return connect(start_nats(None).url)


@pytest.fixture
async def relay(database: Database, nats: Nats, beside: Beside) -> Relay:
    relay = make_relay(database, nats)
    beside(relay.run())
    return relay


async def outstanding(nats: Nats, consumer: Consumer) -> int:
    """How many events were delivered and neither acknowledged nor given back."""
    info = await (await jetstream(nats)).consumer_info(STREAM.name, consumer.name)
    return int(info.num_ack_pending)


async def test_events_come_as_they_were_written_in_batches_and_are_acknowledged(
    database: Database, nats: Nats, relay: Relay, beside: Beside
) -> None:
    traced = Event(UUID(int=7), "hudhud.test.traced", b"\x00\xff", {"traceparent": "00-ab-cd-01"})
    async with database.transaction("write") as connection:
        await append(connection, [traced])
    ids = [traced.event_id, *await write(database, 1000)]
    await eventually(lambda: relayed(database))
    reader = Reader()
    consumer = make_consumer(database, nats, reader)
    beside(consumer.run())
    await eventually(lambda: reader.has(ids))
    assert reader.events[traced.event_id] == traced
    assert max(reader.batches) <= 256
    assert len(reader.batches) < 100, "a batch is more than one event"
    await eventually(lambda: consumer.handled_count == len(ids))
    await eventually(lambda: consumer.lag == 0)

    async def all_acknowledged() -> bool:
        return await outstanding(nats, consumer) == 0

    await eventually(all_acknowledged)


async def test_it_waits_for_a_stream_that_is_not_there_yet(
    database: Database, nats: Nats, beside: Beside, caplog: pytest.LogCaptureFixture
) -> None:
    reader = Reader()
    consumer = make_consumer(database, nats, reader)
    beside(consumer.run())
    await eventually(lambda: "there is no stream test yet" in caplog.text)
    assert consumer.lag is None
    beside(make_relay(database, nats).run())
    ids = await write(database, 10)
    await eventually(lambda: reader.has(ids))


async def test_only_the_subjects_asked_for_come(
    database: Database, nats: Nats, relay: Relay, beside: Beside
) -> None:
    reader = Reader()
    beside(make_consumer(database, nats, reader, subjects=["hudhud.test.wanted.*"]).run())
    await write(database, 5, subject="hudhud.test.other.thing")
    ids = await write(database, 5, subject="hudhud.test.wanted.thing")
    await eventually(lambda: reader.has(ids))


async def test_a_handler_that_fails_for_a_while_gets_everything_again(
    database: Database, nats: Nats, relay: Relay, beside: Beside
) -> None:
    picky = Picky(RuntimeError("not today"))
    ids = await write(database, 100)
    picky.bad = set(ids)
    await eventually(lambda: relayed(database))
    consumer = make_consumer(database, nats, picky, tries_max=1000)
    beside(consumer.run())
    await eventually(lambda: len(picky.refused) > 5)
    picky.bad.clear()
    await eventually(lambda: picky.has(ids))
    assert await parked(database) == []


async def test_an_event_that_fails_again_and_again_is_parked_and_holds_up_nobody(
    database: Database,
    nats: Nats,
    relay: Relay,
    beside: Beside,
    caplog: pytest.LogCaptureFixture,
) -> None:
    picky = Picky(ValueError("cannot read this"))
    ids = await write(database, 300)
    picky.bad = {ids[10], ids[200]}
    await eventually(lambda: relayed(database))
    consumer = make_consumer(database, nats, picky, tries_max=3)
    beside(consumer.run())
    good = [each for each in ids if each not in picky.bad]
    await eventually(lambda: picky.has(good))
    await eventually(lambda: consumer.parked_count == 2)
    assert await parked(database) == sorted(picky.bad)
    assert picky.refused.count(1) == 2 * 3
    told = [record for record in caplog.records if record.getMessage().endswith("is parked")]
    assert {fields(record)["event_id"] for record in told} == set(map(str, picky.bad))
    assert all(record.exc_info and record.exc_info[1] is picky.error for record in told)
    # The cause of one is mended, and the process is started again.
    picky.bad = {ids[10]}
    beside(make_consumer(database, nats, picky, tries_max=3).run())
    await eventually(lambda: ids[200] in picky.events)
    await eventually(lambda: is_parked(database, ids[10]))
    assert ids[10] not in picky.events


@pytest.mark.parametrize("error", [DatabaseUnavailable("down"), ConnectionRefusedError("down")])
async def test_what_says_nothing_about_the_event_parks_nothing(
    database: Database, nats: Nats, relay: Relay, beside: Beside, error: Exception
) -> None:
    picky = Picky(error)
    ids = await write(database, 20)
    picky.bad = set(ids)
    await eventually(lambda: relayed(database))
    consumer = make_consumer(database, nats, picky, tries_max=2)
    beside(consumer.run())
    await eventually(lambda: len(picky.refused) >= 6)
    assert len(picky.refused) < 6 + 20, "an outage is not looked for event by event"
    picky.bad.clear()
    await eventually(lambda: picky.has(ids))
    assert consumer.parked_count == 0


async def test_replicas_share_the_work(
    database: Database, nats: Nats, relay: Relay, beside: Beside
) -> None:
    readers = [Reader(), Reader()]
    for reader in readers:
        beside(make_consumer(database, nats, reader, batch_max=8).run())
    ids = await write(database, 500)
    await eventually(lambda: readers[0].events.keys() | readers[1].events.keys() == set(ids))
    assert all(reader.events for reader in readers)
    assert sum(len(reader.events) for reader in readers) == len(ids), "each event to one of them"


async def test_a_consumer_that_was_deleted_makes_itself_anew_from_the_beginning(
    database: Database, nats: Nats, relay: Relay, beside: Beside
) -> None:
    reader = Reader()
    consumer = make_consumer(database, nats, reader)
    beside(consumer.run())
    ids = await write(database, 50)
    await eventually(lambda: reader.has(ids))
    reader.events.clear()
    await (await jetstream(nats)).delete_consumer(STREAM.name, consumer.name)
    await eventually(lambda: reader.has(ids))


async def test_dying_between_handling_and_acknowledging_brings_the_same_again(
    database: Database, nats: Nats, relay: Relay
) -> None:
    ids = await write(database, 10)
    await eventually(lambda: relayed(database))
    began = asyncio.Event()

    async def die(_: list[Event]) -> None:
        began.set()
        await asyncio.Event().wait()

    consumer = make_consumer(database, nats, die, ack_wait_seconds=0.2)
    async with running(consumer.run()):
        await began.wait()
    reader = Reader()
    async with running(make_consumer(database, nats, reader, ack_wait_seconds=0.2).run()):
        await eventually(lambda: reader.has(ids))


async def test_a_message_that_no_relay_wrote_is_dropped(
    database: Database,
    nats: Nats,
    relay: Relay,
    beside: Beside,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = await write(database, 5)
    await eventually(lambda: relayed(database))
    await (await jetstream(nats)).publish("hudhud.test.stray", b"?")
    ids = first + await write(database, 5)
    reader = Reader()
    beside(make_consumer(database, nats, reader).run())
    await eventually(lambda: reader.has(ids))
    await eventually(lambda: "a message without an event id" in caplog.text)


async def test_nats_going_and_coming_back_costs_time_only(
    database: Database, start_nats: Start, connect: Connect, beside: Beside
) -> None:
    server = start_nats(None)
    nats = connect(server.url)
    beside(make_relay(database, nats).run())
    reader = Reader()
    beside(make_consumer(database, nats, reader).run())
    ids = await write(database, 200)
    for stop in (server.stop, server.kill, server.stop):
        stop()
        ids += await write(database, 200)
        server.start()
        await eventually(partial(reader.has, ids))
