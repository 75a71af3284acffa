"""Attach: what a stream delivers, how it is bounded, and what survives its end."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from hudhud.clearance.v1 import clearance_pb2
from hudhud.messaging.v1 import message_pb2
from hudhud.messaging.v1 import messaging_service_pb2 as pb
from services.kit.errors import CommonReasons, Refusal
from services.local.nats import Nats
from services.messaging.envelopes import timestamp
from tests.messaging.house import House, Replica
from tests.messaging.parties import (
    Business,
    Person,
    accept,
    accept_one,
    attached,
    message_id_of,
    submit_one,
)


async def fill(replica: Replica, business: Business, person: Person, count: int) -> list[UUID]:
    """Have `count` messages accepted, in this order."""
    items = [business.item(person) for _ in range(count)]
    for start in range(0, count, 100):
        outcomes = await accept(replica, *items[start : start + 100])
        assert all(outcome.HasField("accepted") for outcome in outcomes)
    return [message_id_of(item) for item in items]


async def device_of(replica: Replica, person: Person) -> Any:
    return await replica.device(person.person_id, person.device_ids[0], country=person.country)


async def test_an_envelope_comes_as_it_was_sealed_with_what_was_cleared(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    item = business.item(person, ciphertext=b"\x00\xff" * 300)
    item.envelopes[0].olm_type = 0
    await accept_one(replica, item)
    async with attached(await device_of(replica, person)) as end:
        [envelope] = await end.receive(1)
    assert envelope.envelope_id > 0
    assert envelope.message_id == str(message_id_of(item))
    assert envelope.business_id == str(business.business_id)
    assert envelope.contact_id == business.contact_id(person)
    assert envelope.sender_end_id == str(business.edge_id)
    assert (envelope.olm_type, envelope.ciphertext) == (0, b"\x00\xff" * 300)
    assert envelope.clearance == item.clearance
    assert envelope.accept_time == timestamp(house.clock.now())


async def test_what_waited_comes_oldest_first_and_then_what_arrives(
    replica: Replica, business: Business, person: Person
) -> None:
    before = await fill(replica, business, person, 5)
    async with attached(await device_of(replica, person)) as end:
        await end.receive(5)
        after = await fill(replica, business, person, 3)
        received = await end.receive(8)
    assert [UUID(envelope.message_id) for envelope in received] == before + after


async def test_what_was_not_acked_comes_again_after_a_dropped_connection(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    sent = await fill(replica, business, person, 10)
    device = await device_of(replica, person)
    async with attached(device) as end:
        received = await end.receive(10)
        await end.ack(*(envelope.envelope_id for envelope in received[::2]))
    async with attached(device) as end:
        received = await end.receive(5)
        assert [UUID(envelope.message_id) for envelope in received] == sent[1::2]
        await end.ack_all()
    async with attached(device) as end:
        [last] = await fill(replica, business, person, 1)
        [envelope] = await end.receive(1)
        assert UUID(envelope.message_id) == last
        await end.ack_all()
    assert await house.waiting() == 0


async def test_an_ack_may_come_on_a_later_stream_than_its_envelope(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    await fill(replica, business, person, 1)
    device = await device_of(replica, person)
    async with attached(device) as end:
        [envelope] = await end.receive(1)
    async with attached(device) as end:
        await end.ack(envelope.envelope_id)
        await end.ack(envelope.envelope_id)
    assert await house.waiting() == 0
    assert len(await house.changes()) == 1


@pytest.mark.parametrize("in_flight_max", [1, 3, 10])
async def test_no_more_is_in_flight_than_the_end_asked_for(
    replica: Replica, business: Business, person: Person, in_flight_max: int
) -> None:
    sent = await fill(replica, business, person, 25)
    async with attached(await device_of(replica, person), in_flight_max=in_flight_max) as end:
        for done in range(25):
            await end.receive(done + 1)
            assert len(end.envelopes) - done <= in_flight_max
            await end.ack(end.envelopes[done].envelope_id)
        assert [UUID(envelope.message_id) for envelope in end.envelopes] == sent


async def test_at_most_256_are_in_flight(
    replica: Replica, business: Business, person: Person
) -> None:
    await fill(replica, business, person, 300)
    device = await device_of(replica, person)
    async with attached(device) as end:
        await end.receive(256)
        # This end never acks. A second one that begins now is served at once, and the first has
        # got nothing more meanwhile.
        async with attached(device) as other:
            await other.receive(256)
            assert len(end.envelopes) == 256
            await other.ack_all()
            await other.receive(300)
            await other.ack_all()
    with pytest.raises(Refusal) as refusal:
        await _first_frame(device, pb.AttachStart(in_flight_max=257))
    assert refusal.value.has(CommonReasons.INVALID_FIELD)


async def test_large_envelopes_come_in_frames_that_any_client_takes(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    ciphertext = bytes(140_000)
    items = [business.item(person, ciphertext=ciphertext) for _ in range(40)]
    await accept(replica, *items)
    async with attached(await device_of(replica, person)) as end:
        received = await end.receive(40)
        assert [UUID(envelope.message_id) for envelope in received] == [
            message_id_of(item) for item in items
        ]
        assert max(end.frame_sizes) < 2 * 1024 * 1024
        await end.ack_all()
    assert await house.waiting() == 0


async def test_several_streams_of_one_end_each_get_everything_and_it_counts_once(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    device = await device_of(replica, person)
    async with attached(device) as first, attached(device) as second, house.replica() as elsewhere:
        sent = await fill(replica, business, person, 20)
        async with attached(await device_of(elsewhere, person)) as third:
            ends = (first, second, third)
            for end in ends:
                received = await end.receive(20)
                assert [UUID(envelope.message_id) for envelope in received] == sent
            await asyncio.gather(*(end.ack_all() for end in ends))
    assert await house.waiting() == 0
    assert len(await house.changes()) == 20


async def test_a_stream_on_another_replica_is_woken(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    async with (
        house.replica() as elsewhere,
        attached(await device_of(elsewhere, person)) as end,
    ):
        # The clock stands still, so that nobody looks without being woken.
        for count in range(1, 6):
            await fill(replica, business, person, 1)
            await end.receive(count)


async def test_with_nats_down_a_stream_elsewhere_looks_by_itself(
    house: House, business: Business, person: Person, start_nats: Any
) -> None:
    nats: Nats = start_nats(None)
    house.nats_url = nats.url
    async with (
        house.replica(mailbox_poll_seconds=10) as here,
        house.replica(mailbox_poll_seconds=10) as elsewhere,
        attached(await device_of(elsewhere, person)) as end,
    ):
        await fill(here, business, person, 1)
        await end.receive(1)
        nats.kill()
        await fill(here, business, person, 1)
        house.clock.advance(9.9)
        with pytest.raises(TimeoutError):
            await end.until(lambda: len(end.envelopes) > 1, seconds=0.3)
        house.clock.advance(0.2)
        await end.receive(2)
        await end.ack_all()
    assert await house.waiting() == 0


async def test_an_edge_gets_what_people_write_to_all_of_its_businesses(
    house: House, replica: Replica
) -> None:
    edge_id = uuid4()
    businesses = [Business(house, edge_id=edge_id) for _ in range(3)]
    person = Person()
    async with attached(await replica.service(), edge_id) as end:
        accept_times = [await submit_one(replica, person, business) for business in businesses]
        received = await end.receive(3)
        assert [envelope.business_id for envelope in received] == [
            str(business.business_id) for business in businesses
        ]
        first = received[0]
        assert first.contact_id == businesses[0].contact_id(person)
        assert first.sender_end_id == str(person.device_ids[0])
        assert first.ciphertext == b"sealed by a person"
        assert first.accept_time == timestamp(accept_times[0])
        assert first.clearance == clearance_pb2.SignedClearance()
        await end.ack(*(envelope.envelope_id for envelope in received))
    assert await house.waiting() == 0
    assert await house.changes() == []


async def test_garbage_is_confirmed_and_changes_nothing(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    await fill(replica, business, person, 1)
    stranger = Person()
    [row] = await house.rows("SELECT envelope_id, message_id FROM device_envelopes")
    for stub, end_id in (
        (await device_of(replica, stranger), None),
        (await replica.service(), stranger.device_ids[0]),
        (await replica.service(), person.device_ids[0]),
    ):
        async with attached(stub, end_id) as end:
            await end.ack(
                row["envelope_id"],
                *(-1, 0, 2**63 - 1),
                reads=[(business.business_id, row["message_id"]), (uuid4(), uuid4())],
            )
    assert await house.waiting() == 1
    assert await house.changes() == []


async def test_an_end_that_floods_with_acks_is_served_and_others_are_too(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    flooder = Person()
    async with (
        attached(await device_of(replica, flooder)) as flood,
        attached(await device_of(replica, person)) as end,
    ):
        for frame in range(200):
            await flood.ack(*range(frame * 256, frame * 256 + 256), confirmed=False)
        await fill(replica, business, person, 1)
        await end.receive(1)
        await end.ack_all()
        await flood.until(lambda: len(flood.confirmed) == 200 * 256)
    assert await house.waiting() == 0


async def test_an_end_that_has_said_all_is_confirmed_all_and_let_go(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    await fill(replica, business, person, 50)
    async with attached(await device_of(replica, person)) as end:
        received = await end.receive(50)
        for envelope in received:
            await end.ack(envelope.envelope_id, confirmed=False)
        await end.stream.done_writing()
        assert await end.until_closed() is None
        assert sorted(end.confirmed) == [envelope.envelope_id for envelope in received]
    assert await house.waiting() == 0


async def test_a_stream_ends_with_its_token(house: House, replica: Replica, person: Person) -> None:
    device = await replica.device(person.person_id, person.device_ids[0], lifetime_seconds=1)
    async with attached(device) as end:
        ended = await end.until_closed()
    assert isinstance(ended, Refusal)
    assert ended.has(CommonReasons.TOKEN_EXPIRED)


async def read_on(stream: Any, received: list[message_pb2.Envelope]) -> None:
    """Read to the end, whichever it is."""
    while (frame := await stream.read()) is not None:
        received += frame.envelopes


async def test_an_end_that_never_reads_holds_up_nobody_and_its_stream_ends_too(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    sleeper = Person()
    for _ in range(4):
        items = [business.item(sleeper, ciphertext=bytes(140_000)) for _ in range(40)]
        assert all(outcome.HasField("accepted") for outcome in await accept(replica, *items))
    stub = await replica.device(sleeper.person_id, sleeper.device_ids[0], lifetime_seconds=2)
    async with stub.Attach() as stream:
        await stream.write(pb.AttachRequest(start=pb.AttachStart()))
        await fill(replica, business, person, 5)
        async with attached(await device_of(replica, person)) as end:
            await end.receive(5)
            await end.ack_all()
        # It wakes up only when its time is over, and finds less than there was for it.
        await asyncio.sleep(3)
        received: list[message_pb2.Envelope] = []
        with pytest.raises(Refusal) as refusal:
            await read_on(stream, received)
        assert refusal.value.has(CommonReasons.TOKEN_EXPIRED)
        assert len(received) < 160
    assert await house.waiting() == 160


async def test_a_stream_moves_when_its_replica_goes_and_goes_on_elsewhere(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    async with house.replica() as leaving:
        sent = await fill(replica, business, person, 10)
        async with attached(await device_of(leaving, person)) as end:
            received = await end.receive(10)
            await end.ack(*(envelope.envelope_id for envelope in received[:4]))
            await leaving.server.stop(5)
            ended = await end.until_closed()
    assert isinstance(ended, Refusal)
    assert ended.has(CommonReasons.STREAM_MOVED)
    async with attached(await device_of(replica, person)) as end:
        received = await end.receive(6)
        assert [UUID(envelope.message_id) for envelope in received] == sent[4:]


async def test_what_is_past_its_time_is_not_handed_out(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    brief = business.item(person, time_to_live=timedelta(seconds=60))
    await accept(replica, brief, business.item(person, time_to_live=timedelta(seconds=61)))
    house.clock.advance(60)
    async with attached(await device_of(replica, person)) as end:
        [envelope] = await end.receive(1)
        assert UUID(envelope.message_id) != message_id_of(brief)


async def _first_frame(stub: Any, *frames: Any) -> Any:
    async with stub.Attach() as stream:
        for frame in frames:
            request = frame
            if isinstance(frame, pb.AttachStart):
                request = pb.AttachRequest(start=frame)
            await stream.write(request)
        return await stream.read()


async def test_the_first_frame_begins_the_stream_and_no_other_does(
    replica: Replica, person: Person
) -> None:
    device = await device_of(replica, person)
    start = pb.AttachStart()
    acks = pb.AttachRequest(acks=pb.Acks(acks=[pb.Ack(envelope_id=1, disposition=1)]))
    for frames in (
        [acks],
        [start, start],
        [pb.AttachRequest()],
        [start, pb.AttachRequest()],
        [start, pb.AttachRequest(acks=pb.Acks(acks=[pb.Ack(envelope_id=1)]))],
        [start, pb.AttachRequest(acks=pb.Acks(acks=[pb.Ack(envelope_id=1, disposition=9)]))],
        [start, pb.AttachRequest(acks=pb.Acks(reads=[pb.ReadReceipt(message_id="x")]))],
        [pb.AttachStart(in_flight_max=-1)],
    ):
        with pytest.raises(Refusal) as refusal:
            await _first_frame(device, *frames)
        assert refusal.value.has(CommonReasons.INVALID_FIELD), frames
    # An end that says nothing and goes is no mistake of anybody's; it gets the same answer.
    async with device.Attach() as stream:
        await stream.done_writing()
        with pytest.raises(Refusal) as refusal:
            await stream.read()
    assert refusal.value.has(CommonReasons.INVALID_FIELD)


async def test_a_device_has_its_own_mailbox_only_and_an_edge_names_its_own(
    replica: Replica, business: Business, person: Person
) -> None:
    device = await device_of(replica, person)
    async with attached(device, person.device_ids[0]) as end:
        await fill(replica, business, person, 1)
        await end.receive(1)
    with pytest.raises(Refusal) as refusal:
        await _first_frame(device, pb.AttachStart(end_id=str(uuid4())))
    assert refusal.value.has(CommonReasons.CALLER_NOT_ALLOWED)
    for end_id in ("", "edge"):
        with pytest.raises(Exception, match="UUID"):
            await _first_frame(await replica.service(), pb.AttachStart(end_id=end_id))
    for stub in (await replica.business(business.business_id), await replica.service("billing")):
        with pytest.raises(Exception, match="may not call"):
            await _first_frame(stub, pb.AttachStart())
