"""A tap on the shoulder, on whichever replica the shoulder is."""

import asyncio
from collections.abc import Callable
from uuid import uuid4

import pytest

from services.kit.nats import Nats
from services.kit.wakeups import Wakeups
from services.local.nats import Nats as Server
from tests.fixtures.waiting import eventually

Start = Callable[..., Server]
Connect = Callable[[str], Nats]
Beside = Callable[..., object]


@pytest.fixture
async def server(start_nats: Start) -> Server:
    return start_nats(None)


@pytest.fixture
async def replicas(server: Server, connect: Connect, beside: Beside) -> list[Wakeups]:
    replicas = []
    for _ in range(2):
        nats = connect(server.url)
        await nats.connected()
        replicas.append(Wakeups(nats))
        beside(replicas[-1].run())
    await eventually(lambda: all(replica.listening for replica in replicas))
    return replicas


async def test_who_waits_on_another_replica_is_woken_and_nobody_else(
    replicas: list[Wakeups],
) -> None:
    here, there = replicas
    device, other = uuid4(), uuid4()
    async with there.listen(device) as woken, there.listen(other) as not_woken:
        here.wake([device])
        await asyncio.wait_for(woken.wait(), 10)
        assert not not_woken.is_set()


async def test_who_waits_here_is_woken_at_once_and_once(replicas: list[Wakeups]) -> None:
    here, _ = replicas
    device = uuid4()
    async with here.listen(device) as first, here.listen(device) as second:
        here.wake([device])
        assert first.is_set()
        assert second.is_set()
        first.clear()
        # What this process publishes does not come back to it: it is not in what the server had
        # sent by the time it answers.
        client = await here._nats.connected()
        await client.flush()
        await client.flush()
        assert not first.is_set()


async def test_who_left_is_not_woken_and_leaves_no_subscription(replicas: list[Wakeups]) -> None:
    here, there = replicas
    device = uuid4()
    async with there.listen(device) as one:
        async with there.listen(device) as two:
            pass
        here.wake([device])
        await asyncio.wait_for(one.wait(), 10)
        assert not two.is_set()
    assert there._subscriptions == {}
    assert there._waiting == {}


async def test_many_are_woken_by_one_call(replicas: list[Wakeups]) -> None:
    here, there = replicas
    devices = [uuid4() for _ in range(300)]
    listeners = [there.listen(device) for device in devices]
    events = [await listener.__aenter__() for listener in listeners]
    here.wake(devices + devices)
    await eventually(lambda: all(event.is_set() for event in events))
    for listener in listeners:
        await listener.__aexit__(None, None, None)


async def test_a_lost_connection_wakes_everybody_when_it_is_back(
    replicas: list[Wakeups], server: Server
) -> None:
    here, there = replicas
    device = uuid4()
    async with there.listen(device) as woken:
        server.kill()
        await eventually(lambda: not there.listening)
        here.wake([device])  # Lost, and nobody is told.
        assert not woken.is_set()
        server.start()
        await asyncio.wait_for(woken.wait(), 20)
        woken.clear()
        await eventually(lambda: here.listening)
        here.wake([device])
        await asyncio.wait_for(woken.wait(), 10)


async def test_with_nats_down_those_here_are_woken_all_the_same(connect: Connect) -> None:
    wakeups = Wakeups(connect("nats://127.0.0.1:1"))
    async with wakeups.listen("device") as woken:
        wakeups.wake(["device"])
        assert woken.is_set()
