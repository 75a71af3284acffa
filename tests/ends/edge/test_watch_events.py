"""WatchEvents: everything that happens for a business, from a cursor on, and nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hudhud.edge.v1 import edge_service_pb2 as pb
from hudhud.messaging.v1 import message_pb2
from services.ends.edge.actions.watch_events import WatchEvents
from services.ends.edge.domain import NewEvent
from services.kit.access import CallerKind
from services.kit.errors import Refusal
from services.local.nats import Nats
from tests.ends.edge.desk import Desk
from tests.ends.edge.house import House, edge_settings, running_edge
from tests.ends.edge.mailbox import quiet_wakeups
from tests.ends.handset import NOW, Handset
from tests.fixtures.waiting import eventually


class Watcher:
    """A business's program that watches."""

    def __init__(self, stub: Any, after_cursor: int = 0) -> None:
        self.stream = stub.WatchEvents(pb.WatchEventsRequest(after_cursor=after_cursor))

    async def read(self, count: int) -> list[pb.Event]:
        """The next events."""
        events: list[pb.Event] = []
        async with asyncio.timeout(20):
            while len(events) < count:
                events.extend((await self.stream.read()).events)
        return events


@pytest.fixture
async def business_id(house: House) -> AsyncIterator[str]:
    """A business that has called, so that people can write to it."""
    business_id = str(uuid4())
    watcher = Watcher(await house.business(business_id))
    reading = asyncio.ensure_future(watcher.read(1))
    await eventually(lambda: business_id in house.town.identity.edges)
    reading.cancel()
    yield business_id
    watcher.stream.cancel()


async def write(house: House, handset: Handset, business_id: str, text: str) -> str:
    """A person writes, and messaging lays it into the edge's mailbox; the message_id."""
    written = handset.write(business_id, text)
    envelope = message_pb2.Envelope(
        message_id=written.message_id,
        business_id=business_id,
        contact_id=written.contact_id,
        sender_end_id=written.sender_end_id,
        olm_type=written.olm_type,
        ciphertext=written.ciphertext,
    )
    envelope.accept_time.FromDatetime(NOW)
    await house.town.messaging.put(str(house.settings.edge_id), envelope)
    return written.message_id


def texts(events: list[pb.Event]) -> list[tuple[int, str]]:
    return [(event.cursor, event.message_received.content.text.body) for event in events]


@pytest.mark.parametrize("poll_seconds", [3600.0, 0.02])
async def test_a_wake_up_wakes_and_a_lost_one_costs_a_poll(desk: Desk, poll_seconds: float) -> None:
    wakeups = quiet_wakeups(desk.clock)
    watch = WatchEvents(desk.store, wakeups, poll_seconds=poll_seconds)
    async with aclosing(watch(desk.business_id, 0)) as batches:
        for number in range(1, 4):
            reading = asyncio.ensure_future(anext(batches))
            await desk.store.add_events([NewEvent(desk.business_id, f"{number}", b"x")], NOW)
            if poll_seconds > 1:
                await asyncio.sleep(0)
                wakeups.wake([desk.business_id])
            async with asyncio.timeout(20):
                assert [event.cursor for event in await reading] == [number]


async def test_what_people_write_is_told_as_it_comes(
    house: House, townsman: Handset, business_id: str
) -> None:
    await write(house, townsman, business_id, "one")
    watcher = Watcher(await house.business(business_id))
    assert texts(await watcher.read(1)) == [(1, "one")]
    # From here on it waits; the clock stands still, so that only a wake-up can wake it.
    await write(house, townsman, business_id, "two")
    assert texts(await watcher.read(1)) == [(2, "two")]
    messaging = house.town.messaging
    await messaging.until(lambda: len(messaging.acks) == 2)
    assert messaging.waiting(str(house.settings.edge_id)) == []


async def test_a_program_goes_on_from_the_cursor_that_it_handled(
    house: House, townsman: Handset, business_id: str
) -> None:
    for number in range(1, 6):
        await write(house, townsman, business_id, f"{number}")
    stub = await house.business(business_id)
    await Watcher(stub).read(5)
    assert texts(await Watcher(stub, 3).read(2)) == [(4, "4"), (5, "5")]
    later = Watcher(stub, 5)
    await write(house, townsman, business_id, "6")
    assert texts(await later.read(1)) == [(6, "6")]


async def test_a_business_sees_its_own_events_only(
    house: House, townsman: Handset, business_id: str
) -> None:
    stranger = Watcher(await house.business())
    listening = asyncio.ensure_future(stranger.read(1))
    await write(house, townsman, business_id, "not for you")
    await Watcher(await house.business(business_id)).read(1)
    assert not listening.done()
    listening.cancel()


async def test_another_replica_wakes_the_one_that_is_watched(
    house: House,
    townsman: Handset,
    business_id: str,
    nats_server: Nats,
    tmp_path: Path,
) -> None:
    settings = edge_settings(
        house.town, house.settings.database_url, nats_server, tmp_path, edge_replica="1"
    )
    async with running_edge(house.town, settings) as other:
        watchers = [Watcher(await one.business(business_id)) for one in (house, other)]
        for text in ("one", "two", "three"):
            await write(house, townsman, business_id, text)
        for watcher in watchers:
            assert texts(await watcher.read(3)) == [(1, "one"), (2, "two"), (3, "three")]


async def test_the_mailbox_is_attached_again_when_its_stream_breaks(
    house: House, townsman: Handset, business_id: str
) -> None:
    watcher = Watcher(await house.business(business_id))
    await write(house, townsman, business_id, "one")
    await watcher.read(1)
    await house.town.messaging.break_streams()
    await write(house, townsman, business_id, "two")
    reading = asyncio.ensure_future(watcher.read(1))
    while not reading.done():
        house.clock.advance(0.1)
        await asyncio.wait([reading], timeout=0.02)
    assert texts(await reading) == [(2, "two")]
    assert house.town.messaging.streams_opened == 2


async def test_a_stream_ends_with_its_token(house: House) -> None:
    watcher = Watcher(await house.business(lifetime_seconds=1))
    with pytest.raises(Refusal) as refused:
        await watcher.stream.read()
    assert refused.value.reason.name == "TOKEN_EXPIRED"


async def test_a_server_that_stops_says_so(
    house: House, townsman: Handset, business_id: str
) -> None:
    await write(house, townsman, business_id, "text")
    watcher = Watcher(await house.business(business_id))
    await watcher.read(1)
    await house.server.stop(5)
    with pytest.raises(Refusal) as refused:
        await watcher.stream.read()
    assert refused.value.reason.name == "STREAM_MOVED"


async def test_bad_input_and_those_who_may_not_watch(house: House) -> None:
    with pytest.raises(Refusal) as refused:
        await Watcher(await house.business(), -1).stream.read()
    assert refused.value.reason.name == "INVALID_FIELD"
    operator = house.town.tokens.sign(CallerKind.OPERATOR, "somebody", lifetime_seconds=900)
    for text, reason in ((operator.text, "CALLER_NOT_ALLOWED"), (None, "TOKEN_MISSING")):
        with pytest.raises(Refusal) as refused:
            await Watcher(await house.bearer(text)).stream.read()
        assert refused.value.reason.name == reason
