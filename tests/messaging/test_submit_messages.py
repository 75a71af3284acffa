"""SubmitMessages: what people write, and the window that it opens."""

import asyncio
from datetime import UTC, timedelta
from uuid import uuid4

import pytest

from hudhud.messaging.v1 import messaging_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.messaging.house import House, Replica
from tests.messaging.parties import Business, Person, attached, sealed, submit_one


async def window(replica: Replica, business: Business, person: Person) -> pb.GetWindowResponse:
    edge = await replica.service()
    response: pb.GetWindowResponse = await edge.GetWindow(
        pb.GetWindowRequest(
            business_id=str(business.business_id), contact_id=business.contact_id(person)
        )
    )
    return response


async def test_each_message_opens_or_renews_the_window(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    first_time = await submit_one(replica, person, business)
    assert first_time == house.clock.now()
    house.clock.advance(3600)
    second_time = await submit_one(replica, person, business)
    found = await window(replica, business, person)
    assert found.open
    assert found.last_person_message_time.ToDatetime(UTC) == second_time
    assert found.close_time.ToDatetime(UTC) == second_time + timedelta(hours=24)


async def test_a_repetition_is_answered_as_before_and_renews_nothing(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    message_id = new_id()
    first_time = await submit_one(replica, person, business, message_id=message_id)
    house.clock.advance(24 * 3600)
    again = await submit_one(replica, person, business, message_id=message_id)
    assert again == first_time
    assert not (await window(replica, business, person)).open
    assert await house.waiting() == 1


async def test_an_older_time_never_replaces_a_newer_one(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    # A replica whose clock is an hour ahead has taken a message.
    await submit_one(replica, person, business)
    ahead = house.clock.now() + timedelta(hours=1)
    await house.rows("UPDATE windows SET last_person_message_time = $1", ahead)
    await submit_one(replica, person, business)
    found = await window(replica, business, person)
    assert found.last_person_message_time.ToDatetime(UTC) == ahead


async def test_the_same_message_at_once_over_two_replicas_is_taken_once(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    ids = [new_id() for _ in range(20)]

    async def write(place: Replica, turn: int) -> pb.SubmitMessagesResponse:
        device = await place.device(person.person_id, person.device_ids[0])
        items = [
            pb.SubmitItem(
                message_id=str(message_id),
                business_id=str(business.business_id),
                envelopes=[sealed(business.edge_id)],
            )
            for message_id in (ids if turn % 2 else reversed(ids))
        ]
        response: pb.SubmitMessagesResponse = await device.SubmitMessages(
            pb.SubmitMessagesRequest(items=items)
        )
        return response

    async with house.replica() as other:
        answers = await asyncio.gather(
            *(write(place, turn) for turn in range(4) for place in (replica, other))
        )
    assert all(outcome.HasField("accept_time") for answer in answers for outcome in answer.outcomes)
    assert await house.waiting() == 20


async def test_people_who_use_the_same_id_do_not_meet(
    house: House, replica: Replica, business: Business
) -> None:
    message_id = new_id()
    async with attached(await replica.service(), business.edge_id) as edge:
        for person in (Person(), Person()):
            await submit_one(replica, person, business, message_id=message_id)
        received = await edge.receive(2)
    assert len({envelope.contact_id for envelope in received}) == 2


async def test_one_bad_item_fails_no_other(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    device = await replica.device(person.person_id, person.device_ids[0])
    good = pb.SubmitItem(
        message_id=str(new_id()),
        business_id=str(business.business_id),
        envelopes=[sealed(business.edge_id)],
    )
    nameless, empty, large, double = (pb.SubmitItem() for _ in range(4))
    for item in (nameless, empty, large, double):
        item.CopyFrom(good)
    nameless.business_id = "shop"
    del empty.envelopes[:]
    large.envelopes[0].ciphertext = bytes(140_001)
    double.envelopes.append(good.envelopes[0])
    response = await device.SubmitMessages(
        pb.SubmitMessagesRequest(items=[nameless, good, empty, large, double])
    )
    assert [outcome.refusal.reason for outcome in response.outcomes] == [
        "INVALID_FIELD",
        "",
        "INVALID_FIELD",
        "INVALID_FIELD",
        "INVALID_FIELD",
    ]
    assert "business_id" in response.outcomes[0].refusal.message
    assert await house.waiting() == 1


async def test_only_devices_write(replica: Replica, business: Business) -> None:
    item = pb.SubmitItem(
        message_id=str(new_id()),
        business_id=str(business.business_id),
        envelopes=[sealed(uuid4())],
    )
    for stub in (await replica.service(), await replica.business(business.business_id)):
        with pytest.raises(Exception, match="may not call"):
            await stub.SubmitMessages(pb.SubmitMessagesRequest(items=[item]))
    device = await replica.device(uuid4(), uuid4())
    with pytest.raises(Refusal, match="items"):
        await device.SubmitMessages(pb.SubmitMessagesRequest(items=[item] * 101))
