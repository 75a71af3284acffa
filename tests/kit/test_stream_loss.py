"""PostgreSQL remembers, JetStream carries: whatever a stream loses is made good.

After each loss a durable consumer that was there before, and one that comes afterwards, have read
every event that was ever written.
"""

import asyncio
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from services.kit.database import Database
from services.kit.nats import Nats
from services.local.nats import Nats as Server
from tests.fixtures.waiting import eventually
from tests.kit.road import (
    STREAM,
    Reader,
    generation,
    jetstream,
    make_consumer,
    make_relay,
    relayed,
    running,
    write,
)


class World:
    """A database, a NATS server, a relay and a durable consumer, each of which can be stopped."""

    def __init__(self, database: Database, server: Server, connect: Callable[[str], Nats]) -> None:
        self.database = database
        self.server = server
        self.nats = connect(server.url)
        self.relay = make_relay(database, self.nats)
        self.reader = Reader()
        self.consumer = make_consumer(database, self.nats, self.reader)
        self.ids: list[UUID] = []

    @property
    def store(self) -> Path:
        return self.server._folder / "store"

    async def write(self, count: int) -> None:
        self.ids += await write(self.database, count)
        self.relay.wake()

    async def settle(self) -> None:
        await eventually(lambda: relayed(self.database))
        await eventually(lambda: self.reader.has(self.ids))

    async def made_good(self, losses: int = 1) -> None:
        """The loss was noticed, and old and new consumers have everything."""
        await eventually(partial(self.has_lost, losses))
        await self.settle()
        newcomer = Reader()
        consumer = make_consumer(self.database, self.nats, newcomer, name="newcomer")
        async with running(consumer.run()):
            await eventually(lambda: newcomer.has(self.ids))
        assert await generation(self.database) == losses, "one loss, made good once"

    async def has_lost(self, losses: int) -> bool:
        return await generation(self.database) >= losses

    def has_relayed(self, count: int) -> bool:
        return self.relay.relayed_count >= count


@pytest.fixture
async def world(
    database: Database, start_nats: Callable[..., Server], connect: Callable[[str], Nats]
) -> World:
    return World(database, start_nats(None), connect)


async def publish_strays(world: World, count: int) -> None:
    """Write what no relay wrote."""
    context = await jetstream(world.nats)
    for number in range(count):
        await context.publish("hudhud.test.stray", b"", headers={"Nats-Msg-Id": f"stray {number}"})


async def test_a_store_wiped_clean_in_the_middle(world: World) -> None:
    async with running(world.relay.run(), world.consumer.run()):
        await world.write(700)
        await eventually(lambda: world.reader.events.keys() != set())
        world.server.stop()
        world.server.wipe()
        await world.write(300)
        world.server.start()
        await world.write(200)
        await world.made_good()


async def test_a_store_wiped_clean_between_relaying_and_reading(world: World) -> None:
    async with running(world.relay.run()):
        await world.write(700)
        await eventually(lambda: relayed(world.database))
        world.server.kill()
        world.server.wipe()
        world.server.start()
        async with running(world.consumer.run()):
            await world.made_good()


async def test_a_store_wiped_three_times_under_load(world: World) -> None:
    writing, stopped = True, asyncio.Event()

    async def keep_writing() -> None:
        while writing:
            await world.write(20)
        stopped.set()

    async with running(world.relay.run(), world.consumer.run(), keep_writing()):
        for wipe in range(3):
            goal = world.relay.relayed_count + 200
            await eventually(partial(world.has_relayed, goal))
            world.server.kill()
            world.server.wipe()
            world.server.start()
            await eventually(partial(world.has_lost, wipe + 1))
        writing = False
        await stopped.wait()
        await world.made_good(losses=3)


@pytest.mark.parametrize("keep", [None, 50])
async def test_a_stream_that_was_purged(world: World, keep: int | None) -> None:
    """Of all, or of its beginning."""
    async with running(world.relay.run()):
        await world.write(300)
        await eventually(lambda: relayed(world.database))
        await (await jetstream(world.nats)).purge_stream(STREAM.name, keep=keep)
        async with running(world.consumer.run()):
            await world.made_good()


async def test_a_stream_that_was_deleted_under_a_relay_that_does_not_look(world: World) -> None:
    """Publishing finds nobody; the relay makes the stream again."""
    world.relay._check_seconds = 3600
    async with running(world.relay.run(), world.consumer.run()):
        await world.write(300)
        await world.settle()
        await (await jetstream(world.nats)).delete_stream(STREAM.name)
        await world.write(10)
        await world.made_good()


async def test_a_stream_made_anew_under_a_relay_that_does_not_look(world: World) -> None:
    """The first ack has a sequence that was given out before."""
    world.relay._check_seconds = 3600
    async with running(world.relay.run(), world.consumer.run()):
        await world.write(300)
        await world.settle()
        context = await jetstream(world.nats)
        await context.delete_stream(STREAM.name)
        await context.add_stream(name=STREAM.name, subjects=list(STREAM.subjects))
        await world.write(10)
        await world.made_good()


@pytest.mark.parametrize("stray_count", [0, 5, 400])
async def test_a_stream_made_anew_while_nobody_looks(world: World, stray_count: int) -> None:
    """Even where it was written to, so that its numbers look like a part or all of the old ones."""
    async with running(world.relay.run(), world.consumer.run()):
        for count in (3, 297):
            await world.write(count)
            await world.settle()
    context = await jetstream(world.nats)
    await context.delete_stream(STREAM.name)
    await context.add_stream(name=STREAM.name, subjects=list(STREAM.subjects))
    await publish_strays(world, stray_count)
    async with running(world.relay.run(), world.consumer.run()):
        await world.made_good()


async def test_a_stream_with_a_hole(world: World) -> None:
    async with running(world.relay.run()):
        await world.write(300)
        await eventually(lambda: relayed(world.database))
        context = await jetstream(world.nats)
        for sequence in (2, 77, 150):
            await context.delete_msg(STREAM.name, sequence)
        async with running(world.consumer.run()):
            await eventually(partial(world.has_lost, 1))
            await world.settle()
    assert await generation(world.database) <= 2


async def roll_back(world: World, tmp_path: Path) -> None:
    """Take the store back to where it was 400 events ago, consumers and all; leave it stopped."""
    async with running(world.relay.run(), world.consumer.run()):
        await world.write(300)
        await world.settle()
        world.server.stop()
        shutil.copytree(world.store, tmp_path / "store")
        world.server.start()
        await world.write(400)
        await world.settle()
    world.server.stop()
    world.server.wipe()
    shutil.copytree(tmp_path / "store", world.store)
    await eventually(lambda: world.nats.client is None)


@pytest.mark.parametrize("consumer_is_ahead", [False, True])
async def test_a_stream_that_went_back_is_refilled_from_there(
    world: World, tmp_path: Path, consumer_is_ahead: bool
) -> None:
    """Whether its consumers went back with it or not."""
    await roll_back(world, tmp_path)
    world.server.start()
    if consumer_is_ahead:
        # A server alone takes consumers back when it starts; in a cluster they are kept elsewhere.
        await (await jetstream(world.nats)).reset_consumer(STREAM.name, "reader", 701)
    # These are relayed first, and get numbers that a consumer ahead believes it has seen.
    await world.write(50)
    count = world.relay.relayed_count
    async with running(world.relay.run(), world.consumer.run()):
        await world.made_good()
    assert world.relay.relayed_count - count == 400 + 50, "the lost and the new, no more"


async def test_a_stream_that_went_back_and_was_written_on_before_anybody_looked(
    world: World, tmp_path: Path
) -> None:
    await roll_back(world, tmp_path)
    world.server.start()
    await publish_strays(world, 600)  # More than were lost, so that the numbers look right.
    async with running(world.relay.run(), world.consumer.run()):
        await eventually(partial(world.has_lost, 1))
        await world.write(50)
        await world.made_good()
