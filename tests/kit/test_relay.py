"""From the outbox to JetStream: everything, at least once, by one leader among many relays."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from services.kit.database import Database
from services.kit.jetstream import Ack
from services.kit.nats import Nats
from services.kit.relay import FETCH, Relay, StreamWentBack, require_growing
from services.local.nats import Nats as Server
from tests.fixtures.waiting import eventually
from tests.kit.road import jetstream, make_relay, relayed, stored, write

Start = Callable[..., Server]
Connect = Callable[[str], Nats]
Beside = Callable[..., asyncio.Task[None]]


def has_relayed(relay: Relay, count: int) -> bool:
    return relay.relayed_count >= count


async def test_events_reach_the_stream_in_order_and_are_marked(
    database: Database, start_nats: Start, connect: Connect, beside: Beside
) -> None:
    nats = connect(start_nats(None).url)
    relay = make_relay(database, nats)
    beside(relay.run())
    ids = await write(database, 1200)
    relay.wake()
    await eventually(lambda: relayed(database))
    assert await stored(nats) == ids
    async with database.connection("look") as connection:
        remembered = await connection.fetchrow("SELECT * FROM relay_streams")
        batches = await connection.fetch("SELECT * FROM relay_batches ORDER BY sequence_max")
    assert remembered is not None
    assert (remembered["sequence"], remembered["event_id"]) == (1200, ids[-1])
    assert sum(len(batch["ids"]) for batch in batches) == relay.relayed_count == 1200
    assert [batch["sequence_min"] for batch in batches[1:]] == [
        batch["sequence_max"] + 1 for batch in batches[:-1]
    ]


async def test_a_wake_up_reaches_the_leader_from_this_process_and_from_another(
    database: Database, start_nats: Start, connect: Connect, beside: Beside
) -> None:
    url = start_nats(None).url
    settings = {"poll_seconds": 3600, "check_seconds": 3600}
    relays = [make_relay(database, connect(url), **settings) for _ in range(2)]
    beside(relays[0].run())
    await eventually(lambda: relays[0].leading)
    beside(relays[1].run())
    await relays[1].nats.connected()
    for relay in relays:
        await write(database, 3)
        relay.wake()
        await eventually(lambda: relayed(database))


async def test_of_many_relays_one_leads_and_another_follows_when_it_goes(
    database: Database, start_nats: Start, connect: Connect, beside: Beside
) -> None:
    url = start_nats(None).url
    relays = [make_relay(database, connect(url), batch_max=64) for _ in range(3)]
    tasks = {relay: beside(relay.run()) for relay in relays}
    ids = await write(database, 2000)
    for _ in range(2):
        await eventually(lambda: any(relay.leading for relay in relays))
        (leader,) = [relay for relay in relays if relay.leading]
        await eventually(partial(has_relayed, leader, 1))
        tasks[leader].cancel()
        await asyncio.wait([tasks[leader]])
        ids += await write(database, 2000)
    await eventually(lambda: relayed(database))
    assert set(await stored(relays[0].nats)) == set(ids)


async def test_with_nats_down_the_outbox_holds(
    database: Database, start_nats: Start, connect: Connect, beside: Beside
) -> None:
    server = start_nats(None)
    nats = connect(server.url)
    relay = make_relay(database, nats)
    server.stop()
    beside(relay.run())
    ids = await write(database, 10)
    relay.wake()
    assert not await relayed(database)
    server.start()
    await eventually(lambda: relayed(database))
    assert await stored(nats) == ids


async def test_dying_between_publishing_and_marking_loses_nothing(
    database: Database,
    start_nats: Start,
    connect: Connect,
    beside: Beside,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    nats = connect(start_nats(None).url)
    relay = make_relay(database, nats)
    mark, deaths = relay._mark, 0

    async def die_first(*arguments: object) -> object:
        nonlocal deaths
        deaths += 1
        if deaths <= 2:
            raise RuntimeError("the plug is pulled")
        return await mark(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(relay, "_mark", die_first)
    ids = await write(database, 100)
    beside(relay.run())
    await eventually(lambda: relayed(database))
    assert deaths >= 3
    assert "the plug is pulled" in caplog.text
    # JetStream knew them again by their ids.
    assert await stored(nats) == ids


async def test_losing_its_database_session_it_leads_again(
    database: Database, start_nats: Start, connect: Connect, beside: Beside
) -> None:
    nats = connect(start_nats(None).url)
    relay = make_relay(database, nats, batch_max=16)
    beside(relay.run())
    ids = await write(database, 500)
    for _ in range(3):
        await eventually(partial(has_relayed, relay, relay.relayed_count + 1))
        async with database.connection("end_session") as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'test/relay'"
            )
        ids += await write(database, 500)
    await eventually(lambda: relayed(database))
    assert set(await stored(nats)) == set(ids)


async def test_an_event_that_is_refused_holds_up_nobody(
    database: Database,
    start_nats: Start,
    connect: Connect,
    beside: Beside,
    caplog: pytest.LogCaptureFixture,
) -> None:
    nats = connect(start_nats(None).url)
    relay = make_relay(database, nats)
    stray = await write(database, 2, subject="somewhere.else")
    ids = await write(database, 50)
    beside(relay.run())
    await eventually(lambda: relay.relayed_count == 50)
    assert await stored(nats) == ids
    async with database.connection("look") as connection:
        rows = await connection.fetch(
            "SELECT event_id FROM outbox_pending JOIN outbox USING (id) ORDER BY id"
        )
    assert [row["event_id"] for row in rows] == stray
    await eventually(lambda: "no stream takes this subject" in caplog.text)


async def test_an_event_that_another_stream_takes_is_not_taken_for_relayed(
    database: Database,
    start_nats: Start,
    connect: Connect,
    beside: Beside,
    caplog: pytest.LogCaptureFixture,
) -> None:
    nats = connect(start_nats(None).url)
    await (await jetstream(nats)).add_stream(name="other", subjects=["somewhere.>"])
    await write(database, 1, subject="somewhere.else")
    relay = make_relay(database, nats)
    beside(relay.run())
    await eventually(lambda: "the stream other takes this subject" in caplog.text)
    assert relay.relayed_count == 0


async def test_the_new_goes_before_what_is_relayed_again(database: Database) -> None:
    await write(database, 1000)
    async with database.connection("look") as connection:
        await connection.execute("UPDATE outbox_pending SET replay = true")
        fresh = await write(database, 500)
        rows = await connection.fetch(FETCH, 384, 512)
        assert [row["event_id"] for row in rows][:384] == fresh[:384]
        assert len(rows) == 512
        await connection.execute("DELETE FROM outbox_pending WHERE NOT replay")
        assert len(await connection.fetch(FETCH, 384, 512)) == 512


def test_an_ack_that_does_not_grow_tells_that_the_stream_went_back() -> None:
    require_growing([Ack(11, False), None, Ack(5, True), Ack(12, False), Ack(99, False)], 10)
    with pytest.raises(StreamWentBack, match="sequence 10 was given out twice"):
        require_growing([Ack(10, False)], 10)
    with pytest.raises(StreamWentBack, match="sequence 12"):
        require_growing([Ack(12, False), Ack(12, False)], 10)


async def test_another_replica_that_took_over_cannot_be_marked_over(
    database: Database, start_nats: Start, connect: Connect, beside: Beside
) -> None:
    """A relay whose memory is from before a loss may not mark what it published then."""
    nats = connect(start_nats(None).url)
    relay = make_relay(database, nats, check_seconds=3600, poll_seconds=3600)
    beside(relay.run())
    await eventually(lambda: relay.leading)
    await write(database, 5)
    relay.wake()
    await eventually(lambda: relayed(database))
    async with database.connection("take_over") as connection:
        await connection.execute("UPDATE relay_streams SET generation = generation + 1")
    ids = await write(database, 5)
    relay.wake()
    await eventually(lambda: relayed(database))
    assert set(ids) <= set(await stored(nats))
