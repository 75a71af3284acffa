"""The giving up of messages that nobody fetched in time."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg

from hudhud.messaging.v1 import message_pb2
from services.kit.database import Database
from services.kit.nats import Nats
from services.kit.relay import Relay
from services.messaging.actions.expire_messages import ExpireMessages
from tests.kit.road import STREAM
from tests.messaging.house import House, Replica
from tests.messaging.parties import (
    Business,
    Person,
    accept,
    accept_one,
    attached,
    message_id_of,
    state_of,
    submit_one,
)

EXPIRED = message_pb2.MESSAGE_STATE_EXPIRED
DELIVERED = message_pb2.MESSAGE_STATE_DELIVERED

HOUR = timedelta(hours=1)


async def expire(house: House, replicas: int = 1) -> None:
    """Give up what is over, on so many replicas at once."""
    database = await Database.open(house.database_url, connections_max=8)
    relay = Relay(database, Nats(house.nats_url, name="test"), STREAM)
    jobs = [
        ExpireMessages(database, relay, house.clock, interval_seconds=1) for _ in range(replicas)
    ]
    try:
        await asyncio.gather(*(job() for job in jobs))
    finally:
        await database.close()


async def test_a_message_is_given_up_after_its_time_and_the_grace(
    house: House, replica: Replica, business: Business
) -> None:
    person = Person(device_ids=(uuid4(), uuid4()))
    item = business.item(person, time_to_live=HOUR)
    await accept_one(replica, item)
    await accept_one(replica, business.item(person, time_to_live=2 * HOUR))
    house.clock.advance(3600 + 119)
    await expire(house)
    assert await house.waiting() == 4
    house.clock.advance(1)
    await expire(house)
    assert await state_of(replica, business, message_id_of(item)) == EXPIRED
    assert await house.waiting() == 2
    [change] = await house.changes()
    assert change.message.state == EXPIRED
    assert (change.device_id, change.refusal_reason) == ("", "")


async def test_a_running_replica_gives_up_by_itself(
    house: House, business: Business, person: Person
) -> None:
    async with house.replica(expiry_interval_seconds=5) as replica:
        await accept_one(replica, business.item(person, time_to_live=HOUR))
        house.clock.advance(3600 + 120)
        while not await house.changes():
            # Whenever it sleeps, its time has come.
            house.clock.advance(5)
            await asyncio.sleep(0.01)
    assert await house.waiting() == 0


async def test_copies_left_of_a_delivered_message_go_without_a_word(
    house: House, replica: Replica, business: Business
) -> None:
    person = Person(device_ids=(uuid4(), uuid4()))
    item = business.item(person, time_to_live=HOUR)
    await accept_one(replica, item)
    async with attached(await replica.device(person.person_id, person.device_ids[0])) as end:
        await end.receive(1)
        await end.ack_all()
    house.clock.advance(3600 + 120)
    await expire(house)
    assert await house.waiting() == 0
    assert await state_of(replica, business, message_id_of(item)) == DELIVERED
    assert len(await house.changes()) == 1


async def test_an_ack_of_what_was_given_up_changes_nothing(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    item = business.item(person, time_to_live=HOUR)
    await accept_one(replica, item)
    async with attached(await replica.device(person.person_id, person.device_ids[0])) as end:
        await end.receive(1)
        house.clock.advance(3600 + 120)
        await expire(house)
        await end.ack_all(reads=[(business.business_id, message_id_of(item))])
    assert await state_of(replica, business, message_id_of(item)) == EXPIRED
    assert len(await house.changes()) == 1


async def test_several_replicas_give_up_each_message_once(
    house: House, replica: Replica, business: Business
) -> None:
    people = [Person(device_ids=(uuid4(), uuid4())) for _ in range(5)]
    items = [business.item(person, time_to_live=HOUR) for person in people for _ in range(150)]
    await accept(replica, *items)
    house.clock.advance(3600 + 120)
    await expire(house, replicas=4)
    changes = await house.changes()
    assert len(changes) == len(items)
    assert {change.message.message_id for change in changes} == {
        str(message_id_of(item)) for item in items
    }
    assert await house.waiting() == 0


async def test_what_people_wrote_is_kept_thirty_days_for_an_edge_that_is_away(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    await submit_one(replica, person, business)
    house.clock.advance(30 * 24 * 3600 - 1)
    await expire(house)
    assert await house.waiting() == 1
    house.clock.advance(1)
    await expire(house)
    assert await house.waiting() == 0
    assert await house.changes() == []


async def test_what_another_replica_has_its_hands_on_is_not_waited_for(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    held, free = (business.item(person, time_to_live=HOUR) for _ in range(2))
    await accept(replica, held, free)
    connection = await asyncpg.connect(house.database_url)
    try:
        async with connection.transaction():
            await connection.execute(
                "SELECT FROM device_envelopes WHERE message_id = $1 FOR UPDATE",
                message_id_of(held),
            )
            house.clock.advance(3600 + 180)
            await expire(house)
            [change] = await house.changes()
            assert change.message.message_id == str(message_id_of(free))
    finally:
        await connection.close()
    await expire(house)
    assert len(await house.changes()) == 2
