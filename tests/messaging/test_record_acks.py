"""Receipts: what acks and reads make of a message, and what is told of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

from nats.aio.client import Client

from hudhud.messaging.v1 import message_pb2
from services.local.nats import Nats
from services.messaging.envelopes import timestamp
from tests.messaging.house import House, Replica
from tests.messaging.parties import (
    REFUSED,
    Attached,
    Business,
    Person,
    accept_one,
    attached,
    message_id_of,
    state_of,
)

States = message_pb2.MessageState
ACCEPTED = message_pb2.MESSAGE_STATE_ACCEPTED
DELIVERED = message_pb2.MESSAGE_STATE_DELIVERED
READ = message_pb2.MESSAGE_STATE_READ
WAS_REFUSED = message_pb2.MESSAGE_STATE_REFUSED
EXPIRED = message_pb2.MESSAGE_STATE_EXPIRED


async def told(house: House) -> list[message_pb2.MessageState]:
    """The states that the others were told of, in order."""
    return [change.message.state for change in await house.changes()]


async def test_an_ack_delivers_and_the_others_are_told_all_about_it(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    item = business.item(person)
    accepted = await accept_one(replica, item)
    house.clock.advance(60)
    async with attached(await replica.device(person.person_id, person.device_ids[0])) as end:
        await end.receive(1)
        await end.ack_all()
    [change] = await house.changes()
    message = change.message
    assert message.message_id == str(message_id_of(item))
    assert message.business_id == str(business.business_id)
    assert message.contact_id == business.contact_id(person)
    assert (message.kind, message.category, message.state) == (1, 1, DELIVERED)
    assert message.price == accepted.price
    assert message.accept_time == accepted.accept_time
    assert message.expire_time == accepted.expire_time
    assert message.update_time == timestamp(house.clock.now())
    assert change.device_id == str(person.device_ids[0])
    assert change.refusal_reason == ""


async def test_events_reach_jetstream_on_a_subject_for_each_state(
    house: House, replica: Replica, business: Business, person: Person, nats_server: Nats
) -> None:
    client = Client()
    await client.connect(nats_server.url)
    told_of: asyncio.Queue[str] = asyncio.Queue()

    async def heard(message: object) -> None:
        payload = message_pb2.MessageChanged.FromString(getattr(message, "data"))  # noqa: B009
        if payload.message.business_id == str(business.business_id):
            told_of.put_nowait(str(getattr(message, "subject")))  # noqa: B009

    await client.subscribe("hudhud.messaging.message.>", cb=heard)
    await client.flush()
    item = business.item(person)
    await accept_one(replica, item)
    async with attached(await replica.device(person.person_id, person.device_ids[0])) as end:
        await end.receive(1)
        await end.ack_all()
        await end.ack(reads=[(business.business_id, message_id_of(item))])
    async with asyncio.timeout(20):
        assert await told_of.get() == "hudhud.messaging.message.delivered"
        assert await told_of.get() == "hudhud.messaging.message.read"
    await client.close()


class TwoDevices:
    """A message for a person with two devices, both attached."""

    def __init__(self, replica: Replica, business: Business, ends: list[Attached]) -> None:
        self.replica = replica
        self.business = business
        self.ends = ends
        self.message_id = UUID(ends[0].envelopes[0].message_id)

    async def ack(self, device: int, **how: object) -> None:
        await self.ends[device].ack(self.ends[device].envelopes[0].envelope_id, **how)  # type: ignore[arg-type]

    async def read(self, device: int) -> None:
        await self.ends[device].ack(reads=[(self.business.business_id, self.message_id)])

    async def state(self) -> message_pb2.MessageState:
        return await state_of(self.replica, self.business, self.message_id)


@asynccontextmanager
async def two_devices(replica: Replica, business: Business) -> AsyncIterator[TwoDevices]:
    person = Person(device_ids=(uuid4(), uuid4()))
    await accept_one(replica, business.item(person))
    async with AsyncExitStack() as stack:
        ends = []
        for device_id in person.device_ids:
            stub = await replica.device(person.person_id, device_id)
            ends.append(await stack.enter_async_context(attached(stub)))
            await ends[-1].receive(1)
        yield TwoDevices(replica, business, ends)


async def test_the_first_device_decides_and_the_second_changes_nothing(
    house: House, replica: Replica, business: Business
) -> None:
    for second in ({}, {"disposition": REFUSED, "refusal_reason": "UNDECRYPTABLE"}):
        async with two_devices(replica, business) as devices:
            await devices.ack(0)
            assert await devices.state() == DELIVERED
            await devices.ack(1, **second)
            assert await devices.state() == DELIVERED
    assert await told(house) == [DELIVERED, DELIVERED]
    assert await house.waiting() == 0


async def test_a_message_is_refused_when_no_copy_is_left(
    house: House, replica: Replica, business: Business
) -> None:
    async with two_devices(replica, business) as devices:
        await devices.ack(0, disposition=REFUSED, refusal_reason="UNDECRYPTABLE")
        assert await devices.state() == ACCEPTED
        await devices.ack(1, disposition=REFUSED, refusal_reason="COMMITMENT_MISMATCH")
        assert await devices.state() == WAS_REFUSED
        await devices.read(0)
        assert await devices.state() == WAS_REFUSED
    [change] = await house.changes()
    assert change.message.state == WAS_REFUSED
    assert change.refusal_reason == "COMMITMENT_MISMATCH"


async def test_one_refusal_and_one_delivery_is_a_delivery(
    house: House, replica: Replica, business: Business
) -> None:
    async with two_devices(replica, business) as devices:
        await devices.ack(1, disposition=REFUSED)
        await devices.ack(0)
        assert await devices.state() == DELIVERED
    assert await told(house) == [DELIVERED]


async def test_two_refusals_at_once_over_two_replicas_refuse_once(
    house: House, replica: Replica, business: Business
) -> None:
    person = Person(device_ids=(uuid4(), uuid4()))
    items = [business.item(person) for _ in range(30)]
    for item in items:
        await accept_one(replica, item)
    async with (
        house.replica() as elsewhere,
        attached(await replica.device(person.person_id, person.device_ids[0])) as first,
        attached(await elsewhere.device(person.person_id, person.device_ids[1])) as second,
    ):
        await asyncio.gather(first.receive(30), second.receive(30))
        for index in range(30):
            await asyncio.gather(
                *(
                    end.ack(end.envelopes[index].envelope_id, disposition=REFUSED)
                    for end in (first, second)
                )
            )
    assert await told(house) == [WAS_REFUSED] * 30


async def test_reading_comes_after_delivery_once_and_stays(
    house: House, replica: Replica, business: Business
) -> None:
    async with two_devices(replica, business) as devices:
        await devices.ack(0)
        house.clock.advance(10)
        await devices.read(0)
        await devices.read(1)
        await devices.read(0)
        await devices.ack(1)
        assert await devices.state() == READ
    assert await told(house) == [DELIVERED, READ]
    read = (await house.changes())[1]
    assert read.message.update_time == timestamp(house.clock.now())


async def test_a_read_that_overtakes_its_ack_brings_both(
    house: House, replica: Replica, business: Business
) -> None:
    async with two_devices(replica, business) as devices:
        await devices.read(1)
        assert await devices.state() == READ
        await devices.ack(1)
        await devices.ack(0, disposition=REFUSED)
        assert await devices.state() == READ
    assert await told(house) == [DELIVERED, READ]


async def test_the_same_envelope_twice_in_one_frame_counts_as_it_first_stands(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    await accept_one(replica, business.item(person))
    async with attached(await replica.device(person.person_id, person.device_ids[0])) as end:
        [envelope] = await end.receive(1)
        await end.ack(envelope.envelope_id, envelope.envelope_id)
    assert await told(house) == [DELIVERED]


async def test_an_ack_counts_until_the_message_is_given_up_and_not_after(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    device = await replica.device(person.person_id, person.device_ids[0])
    async with attached(device) as end:
        for count, late_seconds, state in ((1, 119, DELIVERED), (2, 120, EXPIRED)):
            item = business.item(person, time_to_live=timedelta(seconds=60))
            await accept_one(replica, item)
            await end.receive(count)
            # No replica has given it up yet: what decides is the time and not who came first.
            house.clock.advance(60 + late_seconds)
            await end.ack_all()
            assert await state_of(replica, business, message_id_of(item)) == state
    assert await told(house) == [DELIVERED, EXPIRED]
