"""ScreenMessages: one message_id, one answer, whoever asks and however often."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hudhud.policy.v1 import policy_service_pb2 as pb
from tests.policy.house import House, Replica
from tests.policy.parties import (
    MARKETING,
    OFFER,
    RECEIPT,
    RECEIPT_ARABIC,
    Business,
    Person,
    codes,
)


async def test_the_same_message_again_gets_the_first_answer(
    business: Business, person: Person
) -> None:
    item = business.item(person, RECEIPT)
    first = await business.allowed(item)
    business.replica.house.clock.advance(60)
    assert await business.allowed(item) == first
    advertisement = business.item(person, OFFER)
    assert await business.blocked(advertisement) == await business.blocked(advertisement)


async def test_another_message_under_the_same_id_is_refused(
    business: Business, person: Person
) -> None:
    item = business.item(person, RECEIPT)
    await business.allowed(item)
    for other in (
        business.item(person, RECEIPT_ARABIC, message_id=item.message_id),
        business.item(person, RECEIPT, message_id=item.message_id),  # another franking key
        business.item(Person(business.replica), RECEIPT, message_id=item.message_id),
        business.item(person, OFFER, category=MARKETING, message_id=item.message_id),
    ):
        assert await business.refused(other) == "MESSAGE_ID_REUSED"
    # Ids are the business's own.
    another = Business(business.replica)
    await another.allowed(another.item(person, RECEIPT, message_id=item.message_id))


async def test_equal_ids_in_one_batch(business: Business, person: Person) -> None:
    item = business.item(person, RECEIPT)
    other = business.item(person, RECEIPT_ARABIC, message_id=item.message_id)
    first, again, reused = await business.screen(item, item, other)
    assert first.WhichOneof("outcome") == "allowed"
    assert again == first
    assert reused.refusal.reason == "MESSAGE_ID_REUSED"


async def test_a_clearance_that_ended_unused_is_given_anew_if_it_still_may_go(
    business: Business, person: Person
) -> None:
    device = await person.device()
    business_id = str(business.business_id)
    await device.GrantConsent(pb.GrantConsentRequest(business_id=business_id))
    items = [business.item(person, OFFER, category=MARKETING) for _ in range(2)]
    first = await business.allowed(items[0])
    business.replica.house.clock.advance(600)
    renewed = await business.allowed(items[0])
    assert renewed.clearance.clearance != first.clearance.clearance
    assert await business.allowed(items[0]) == renewed
    await device.WithdrawConsent(pb.WithdrawConsentRequest(business_id=business_id))
    # It was given a moment ago, and is good until it ends.
    assert await business.allowed(items[0]) == renewed
    business.replica.house.clock.advance(600)
    assert codes(await business.blocked(items[0])) == ["NO_MARKETING_CONSENT"]


@pytest.fixture
async def second(house: House, policy: Replica) -> AsyncIterator[Replica]:
    """Another replica on the same database."""
    async with house.replica() as replica:
        yield replica


async def test_replicas_that_screen_the_same_message_at_once_give_one_answer(
    business: Business, person: Person, second: Replica
) -> None:
    replicas = (business.replica, second)
    for _ in range(10):
        item = business.item(person, RECEIPT)
        other = business.item(person, RECEIPT_ARABIC, message_id=item.message_id)
        answers = await asyncio.gather(
            *(
                business.screen(one, replica=replica)
                for replica in replicas
                for one in (item, other, item)
            )
        )
        outcomes = [outcome for answer in answers for outcome in answer]
        allowed = [one for one in outcomes if one.WhichOneof("outcome") == "allowed"]
        reused = [one for one in outcomes if one.refusal.reason == "MESSAGE_ID_REUSED"]
        assert len(allowed) + len(reused) == len(outcomes)
        assert len({one.allowed.clearance.clearance for one in allowed}) == 1
