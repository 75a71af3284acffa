"""GetMessage: a business reads its own messages."""

from uuid import uuid4

import pytest

from hudhud.messaging.v1 import message_pb2
from hudhud.messaging.v1 import messaging_service_pb2 as pb
from services.kit.errors import CommonReasons, Refusal
from services.messaging.errors import MessagingReasons
from tests.messaging.house import House, Replica
from tests.messaging.parties import Business, Person, accept_one, message_id_of


def request(business: Business, message_id: object) -> pb.GetMessageRequest:
    return pb.GetMessageRequest(business_id=str(business.business_id), message_id=str(message_id))


async def test_a_business_and_the_edge_read_a_message(
    replica: Replica, business: Business, person: Person
) -> None:
    item = business.item(person, category=3, kind=2)
    accepted = await accept_one(replica, item)
    for stub in (await replica.business(business.business_id), await replica.service()):
        response = await stub.GetMessage(request(business, message_id_of(item)))
        assert response.message == message_pb2.Message(
            message_id=str(message_id_of(item)),
            business_id=str(business.business_id),
            contact_id=business.contact_id(person),
            kind=2,
            category=3,
            state=message_pb2.MESSAGE_STATE_ACCEPTED,
            price=accepted.price,
            accept_time=accepted.accept_time,
            update_time=accepted.accept_time,
            expire_time=accepted.expire_time,
        )


async def test_a_message_that_is_not_there_is_not_found(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    item = business.item(person)
    await accept_one(replica, item)
    other = Business(house)
    stub = await replica.business(other.business_id)
    for message_id in (uuid4(), message_id_of(item)):
        with pytest.raises(Refusal) as refusal:
            await stub.GetMessage(request(other, message_id))
        assert refusal.value.has(MessagingReasons.MESSAGE_NOT_FOUND)


async def test_nobody_reads_for_another(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    item = business.item(person)
    await accept_one(replica, item)
    other = await replica.business(Business(house).business_id)
    with pytest.raises(Refusal) as refusal:
        await other.GetMessage(request(business, message_id_of(item)))
    assert refusal.value.has(CommonReasons.CALLER_NOT_ALLOWED)
    device = await replica.device(person.person_id, person.device_ids[0])
    with pytest.raises(Refusal) as refusal:
        await device.GetMessage(request(business, message_id_of(item)))
    assert refusal.value.has(CommonReasons.CALLER_NOT_ALLOWED)


async def test_ids_have_to_be_ids(replica: Replica, business: Business) -> None:
    stub = await replica.business(business.business_id)
    with pytest.raises(Refusal) as refusal:
        await stub.GetMessage(request(business, "1"))
    assert refusal.value.has(CommonReasons.INVALID_FIELD)
