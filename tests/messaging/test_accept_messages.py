"""AcceptMessages: what is promised, what is refused, and what a repetition gets."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from hudhud.messaging.v1 import messaging_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import CommonReasons, Refusal
from services.kit.signing import SigningKey
from services.messaging.domain import RESERVATION_MARGIN
from services.messaging.envelopes import timestamp
from services.messaging.errors import MessagingReasons
from tests.fixtures.waiting import eventually
from tests.messaging.house import House, Replica
from tests.messaging.parties import (
    REPLY,
    SERVICE,
    Business,
    Person,
    accept,
    accept_one,
    attached,
    message_id_of,
    submit_one,
)


def reason(outcome: pb.AcceptOutcome) -> str:
    """Why an item was refused; empty for one that was accepted."""
    return outcome.refusal.reason


async def test_what_was_accepted_is_stored_reserved_and_waits_for_each_device(
    house: House, replica: Replica, business: Business
) -> None:
    person = Person(device_ids=(uuid4(), uuid4()))
    item = business.item(person, time_to_live=timedelta(hours=1))
    accepted = await accept_one(replica, item)
    now = house.clock.now()
    assert accepted.accept_time == timestamp(now)
    assert accepted.expire_time == timestamp(now + timedelta(hours=1))
    assert (accepted.price.currency_code, accepted.price.amount_micros) == ("USD", 20_000)
    held_until = house.billing.expire_time(business.business_id, message_id_of(item))
    assert held_until == now + timedelta(hours=1) + RESERVATION_MARGIN
    assert await house.waiting() == 2


async def test_without_a_time_to_live_a_message_is_tried_for_three_days(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    accepted = await accept_one(replica, business.item(person))
    assert accepted.expire_time == timestamp(house.clock.now() + timedelta(days=3))


async def test_a_repetition_gets_the_first_answer_whatever_changed_meanwhile(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    message_id = new_id()
    first = await accept_one(replica, business.item(person, message_id=message_id))
    # Another clearance for the same content, other envelopes, another time to live, another price.
    house.clock.advance(100)
    house.billing.rates.clear()
    again = business.item(
        person,
        message_id=message_id,
        end_ids=[uuid4(), uuid4()],
        ciphertext=b"sealed again",
        time_to_live=timedelta(minutes=1),
    )
    assert await accept_one(replica, again) == first
    # Even when its clearance has ended.
    house.clock.advance(3600)
    assert await accept_one(replica, again) == first
    assert await house.waiting() == 1


@pytest.mark.parametrize("other", ["person", "kind", "category", "template_id", "commitment"])
async def test_the_id_of_another_message_is_refused(
    replica: Replica, business: Business, person: Person, other: str
) -> None:
    message_id = new_id()
    await accept_one(replica, business.item(person, message_id=message_id))
    changed: dict[str, Any] = {
        "kind": 2,
        "category": 3,
        "template_id": str(uuid4()),
        "commitment": bytes(32),
    }
    if other == "person":
        item = business.item(Person(), message_id=message_id)
    else:
        item = business.item(person, message_id=message_id, **{other: changed[other]})
    [outcome] = await accept(replica, item)
    assert reason(outcome) == "MESSAGE_ID_REUSED"
    assert outcome.refusal.domain == "messaging.hudhud"


async def test_two_businesses_may_use_the_same_id(replica: Replica, house: House) -> None:
    message_id, person = new_id(), Person()
    for business in (Business(house), Business(house)):
        await accept_one(replica, business.item(person, message_id=message_id))
    assert await house.waiting() == 2


async def test_one_bad_item_fails_no_other(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    good, stranger = business.item(person), business.item(person)
    stranger.clearance.signature = bytes(64)
    nameless = business.item(person)
    nameless.sender_end_id = "the edge"
    nowhere = business.item(person, end_ids=[])
    device_id = person.device_ids[0]
    double = business.item(person, end_ids=[device_id, device_id])
    brief = business.item(person, time_to_live=timedelta(seconds=29))
    outcomes = await accept(replica, stranger, nameless, good, nowhere, double, brief, good)
    assert [reason(outcome) for outcome in outcomes] == [
        "CLEARANCE_INVALID",
        "INVALID_FIELD",
        "",
        "INVALID_FIELD",
        "INVALID_FIELD",
        "INVALID_FIELD",
        "",
    ]
    assert outcomes[2] == outcomes[6]
    assert await house.waiting() == 1
    assert len(house.billing.held) == 1


async def test_only_what_policy_signed_is_a_clearance(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    genuine = business.item(person)
    tampered = business.item(person)
    tampered.clearance.clearance += b"\x28\x03"  # another kind, in the last field of that number
    forged = business.item(person)
    forger = SigningKey.generate()
    forged.clearance.signature = forger.sign("hudhud.clearance.v1", forged.clearance.clearance)
    unknown = business.item(person)
    unknown.clearance.signature = forged.clearance.signature
    unknown.clearance.key_id = forger.key_id
    other_domain = business.item(person)
    other_domain.clearance.signature = house.policy_key.sign(
        "hudhud.report.v1", other_domain.clearance.clearance
    )
    senseless = business.item(person)
    senseless.clearance.CopyFrom(business.sign(b"\xff\xff"))
    nobody = business.item(person)
    nobody.clearance.CopyFrom(business.sign(b""))
    bad = [tampered, forged, unknown, other_domain, senseless, nobody]
    outcomes = await accept(replica, genuine, *bad)
    assert reason(outcomes[0]) == ""
    assert [reason(outcome) for outcome in outcomes[1:]] == ["CLEARANCE_INVALID"] * len(bad)


async def test_a_clearance_is_good_until_it_ends(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    in_time, late = business.item(person), business.item(person)
    house.clock.advance(599)
    await accept_one(replica, in_time)
    house.clock.advance(1)
    [outcome] = await accept(replica, late)
    assert reason(outcome) == "CLEARANCE_EXPIRED"
    assert len(house.billing.held) == 1


async def test_a_contact_of_another_business_is_unknown(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    theirs = Business(house).contact_id(person)
    outcomes = await accept(
        replica,
        business.item(person, contact_id=theirs),
        business.item(person, contact_id="c_" + "a" * 55),
    )
    assert [reason(outcome) for outcome in outcomes] == ["UNKNOWN_CONTACT"] * 2


async def test_a_reply_is_free_inside_the_window_and_paid_or_refused_after_it(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    def reply() -> pb.AcceptItem:
        return business.item(person, kind=REPLY, category=SERVICE)

    [outcome] = await accept(replica, reply())
    assert reason(outcome) == "WINDOW_NEVER_OPENED"

    await submit_one(replica, person, business)
    house.clock.advance(24 * 3600 - 1)
    assert (await accept_one(replica, reply())).price.amount_micros == 0

    house.clock.advance(1)
    [outcome] = await accept(replica, reply())
    assert (reason(outcome), outcome.refusal.domain) == ("WINDOW_CLOSED", "messaging.hudhud")
    assert "template" in MessagingReasons.WINDOW_CLOSED.advice

    house.billing.rates[SERVICE] = 5_000
    assert (await accept_one(replica, reply())).price.amount_micros == 5_000


async def test_billing_learns_when_a_person_came_by_a_link_and_was_answered(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    async def told(**said: Any) -> list[tuple[Any, Any]]:
        """What billing was told with one more message from the business."""
        await accept_one(replica, business.item(person, **said))
        [request] = house.billing.calls[-1]
        return [(request.entry_point_time, request.entry_point_answer_time)]

    await submit_one(replica, person, business)
    assert await told() == [(None, None)]
    message_id = new_id()
    came = await submit_one(replica, person, business, message_id=message_id, came_by_link=True)
    house.clock.advance(3600)
    # The same message again is no second coming, and one without a link no coming at all.
    await submit_one(replica, person, business, message_id=message_id, came_by_link=True)
    await submit_one(replica, person, business)
    # A template is an answer as well as a reply, and the first one is.
    answered = house.clock.now()
    assert await told() == [(came, None)]
    house.clock.advance(60)
    assert await told(kind=REPLY, category=SERVICE) == [(came, answered)]
    window = await (await replica.service()).GetWindow(
        pb.GetWindowRequest(
            business_id=str(business.business_id), contact_id=business.contact_id(person)
        )
    )
    assert window.entry_point_time == timestamp(came)
    assert window.entry_point_answer_time == timestamp(answered)

    # Who comes again is answered again; an answer after more than a day is none.
    again = await submit_one(replica, person, business, came_by_link=True)
    house.clock.advance(24 * 3600 + 1)
    assert await told() == [(again, answered)]
    assert await told() == [(again, answered)]
    once_more = await submit_one(replica, person, business, came_by_link=True)
    assert await told() == [(once_more, answered)]
    assert await told() == [(once_more, house.clock.now())]
    # Nobody else came.
    await submit_one(replica, stranger := Person(), business)
    person = stranger
    assert await told() == [(None, None)]


async def test_what_billing_refuses_is_passed_on_and_nothing_is_stored(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    house.billing.credit[business.business_id] = 20_000
    first, second = await accept(replica, business.item(person), business.item(person))
    assert reason(first) == ""
    assert (reason(second), second.refusal.domain) == ("INSUFFICIENT_CREDIT", "billing.hudhud")
    # A missing rate is about the rate where the message is no reply.
    del house.billing.rates[1]
    [third] = await accept(replica, business.item(person))
    assert (reason(third), third.refusal.domain) == ("NO_RATE", "billing.hudhud")
    assert await house.waiting() == 1


async def test_while_billing_is_away_only_what_is_known_is_answered(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    known = business.item(person)
    await accept_one(replica, known)
    house.billing.failure = Refusal(CommonReasons.DEPENDENCY_UNAVAILABLE, retry_after_seconds=1.0)
    new, again = await accept(replica, business.item(person), known)
    assert reason(new) == "DEPENDENCY_UNAVAILABLE"
    assert new.refusal.retry_delay.seconds == 1
    assert reason(again) == ""


async def test_cut_off_between_reserving_and_storing_a_repetition_makes_it_whole(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    item = business.item(person)
    await house.rows("ALTER TABLE messages RENAME TO elsewhere")
    edge = await replica.service()
    with pytest.raises(Refusal) as refusal:
        await edge.AcceptMessages(pb.AcceptMessagesRequest(items=[item]))
    assert refusal.value.has(CommonReasons.INTERNAL)
    await house.rows("ALTER TABLE elsewhere RENAME TO messages")
    await house.rows("ALTER TABLE device_envelopes RENAME TO elsewhere")
    with pytest.raises(Refusal):
        await edge.AcceptMessages(pb.AcceptMessagesRequest(items=[item]))
    assert len(house.billing.held) == 1
    assert await house.rows("SELECT FROM messages") == []
    await house.rows("ALTER TABLE elsewhere RENAME TO device_envelopes")
    await accept_one(replica, item)
    assert len(house.billing.held) == 1
    assert await house.waiting() == 1


async def test_the_same_message_at_once_over_two_replicas_is_promised_once(
    house: House, replica: Replica, business: Business
) -> None:
    person = Person()
    items = [business.item(person) for _ in range(40)]
    async with house.replica() as other:
        answers = await asyncio.gather(
            *(
                accept(place, *(items if turn % 2 else reversed(items)))
                for turn in range(6)
                for place in (replica, other)
            )
        )
    assert all(outcome.WhichOneof("outcome") == "accepted" for some in answers for outcome in some)
    assert await house.waiting() == 40
    assert len(house.billing.held) == 40
    [row] = await house.rows("SELECT count(*), count(DISTINCT message_id) FROM messages")
    assert tuple(row) == (40, 40)


async def test_what_arrives_while_batches_are_under_way_shares_the_next(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    await accept_one(replica, business.item(person))
    house.billing.may_answer.clear()
    first = asyncio.ensure_future(accept_one(replica, business.item(person)))
    await eventually(lambda: len(house.billing.calls) == 2)
    rest = [asyncio.ensure_future(accept_one(replica, business.item(person))) for _ in range(99)]
    await eventually(lambda: replica.server.calls_in_flight == 100)
    house.billing.may_answer.set()
    await asyncio.gather(first, *rest)
    # One was under way, a second set out with whoever came first; all others are the third.
    assert sum(len(requests) for requests in house.billing.calls) == 101
    assert len(house.billing.calls) <= 4


async def test_an_envelope_for_an_end_that_is_not_the_persons_is_seen_by_nobody(
    house: House, replica: Replica, business: Business, person: Person
) -> None:
    stranger = Person()
    # One message for an end that belongs to somebody else, then one that may be seen.
    await accept_one(replica, business.item(person, end_ids=stranger.device_ids))
    await accept_one(replica, business.item(stranger, ciphertext=b"for the stranger"))
    device = await replica.device(stranger.person_id, stranger.device_ids[0])
    edge = await replica.service()
    async with attached(device) as end, attached(edge, stranger.device_ids[0]) as disguised:
        [envelope] = await end.receive(1)
        assert envelope.ciphertext == b"for the stranger"
        await end.ack_all()
        # The stranger acks what is not in its mailbox: nothing becomes of it.
        [row] = await house.rows("SELECT envelope_id FROM device_envelopes")
        await end.ack(row["envelope_id"])
        assert len(end.envelopes) == 1
        assert disguised.envelopes == []
    assert await house.waiting() == 1


async def test_only_the_edge_may_have_messages_accepted(
    replica: Replica, business: Business, person: Person
) -> None:
    request = pb.AcceptMessagesRequest(items=[business.item(person)])
    callers = [
        await replica.service("policy"),
        await replica.business(business.business_id),
        await replica.device(person.person_id, person.device_ids[0]),
    ]
    for caller in callers:
        with pytest.raises(Exception, match="may not call"):
            await caller.AcceptMessages(request)
    assert len((await (await replica.service()).AcceptMessages(request)).outcomes) == 1


async def test_a_list_has_to_hold_something_and_not_too_much(
    replica: Replica, business: Business, person: Person
) -> None:
    edge = await replica.service()
    for count in (0, 1001):
        request = pb.AcceptMessagesRequest(items=[pb.AcceptItem()] * count)
        with pytest.raises(Exception, match="items"):
            await edge.AcceptMessages(request)
