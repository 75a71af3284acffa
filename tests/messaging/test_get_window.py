"""GetWindow: whether a reply would still be inside the service window."""

from datetime import UTC, timedelta
from uuid import uuid4

import pytest

from hudhud.messaging.v1 import messaging_service_pb2 as pb
from services.kit.errors import CommonReasons, Refusal
from services.messaging.errors import MessagingReasons
from tests.messaging.house import House, Replica
from tests.messaging.parties import Business, Person, submit_one


def request(business: Business, contact_id: str) -> pb.GetWindowRequest:
    return pb.GetWindowRequest(business_id=str(business.business_id), contact_id=contact_id)


async def test_a_window_is_open_for_24_hours_after_the_person_wrote(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    stub = await replica.business(business.business_id)
    asked = request(business, business.contact_id(person))
    assert await stub.GetWindow(asked) == pb.GetWindowResponse(open=False)

    wrote = await submit_one(replica, person, business)
    house.clock.advance(24 * 3600 - 1)
    found = await stub.GetWindow(asked)
    assert found.open
    assert found.last_person_message_time.ToDatetime(UTC) == wrote
    assert found.close_time.ToDatetime(UTC) == wrote + timedelta(hours=24)

    house.clock.advance(1)
    found = await stub.GetWindow(asked)
    assert not found.open
    assert found.close_time.ToDatetime(UTC) == wrote + timedelta(hours=24)


async def test_a_window_is_between_one_person_and_one_business(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    await submit_one(replica, person, business)
    edge = await replica.service()
    other = Business(house)
    assert not (await edge.GetWindow(request(other, other.contact_id(person)))).open
    assert not (await edge.GetWindow(request(business, business.contact_id(Person())))).open


async def test_a_contact_of_another_business_is_unknown(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    stub = await replica.business(business.business_id)
    for contact_id in (Business(house).contact_id(person), "c_" + "a" * 55):
        with pytest.raises(Refusal) as refusal:
            await stub.GetWindow(request(business, contact_id))
        assert refusal.value.has(MessagingReasons.UNKNOWN_CONTACT)


async def test_nobody_asks_for_another_and_ids_have_to_be_ids(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    stub = await replica.business(business.business_id)
    other = Business(house)
    with pytest.raises(Refusal) as refusal:
        await stub.GetWindow(request(other, other.contact_id(person)))
    assert refusal.value.has(CommonReasons.CALLER_NOT_ALLOWED)
    for contact_id in ("", str(uuid4()), "c_" + "A" * 55):
        with pytest.raises(Refusal) as refusal:
            await stub.GetWindow(request(business, contact_id))
        assert refusal.value.has(CommonReasons.INVALID_FIELD)
