"""SendMessage over the real server: promised, blocked, refused, repeated, cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import grpc
import pytest

from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.edge.v1 import edge_service_pb2 as pb
from services.ends.edge.domain import Sealed
from services.ends.sealing import envelopes
from services.kit.access import CallerKind
from services.kit.errors import Refusal, received_reason
from tests.ends.edge.house import House, direct, running_edge, send
from tests.ends.fakes.messaging import PRICE_MICROS
from tests.ends.fakes.policy import BLOCKED_WORD
from tests.ends.fakes.troubles import away
from tests.ends.handset import Handset
from tests.fixtures.waiting import eventually

ATTEMPTS_MAX = 4  # of a call, see services/kit/client.py
NO_CREDIT = Refusal(
    received_reason(
        "INSUFFICIENT_CREDIT", "billing.hudhud", grpc.StatusCode.FAILED_PRECONDITION.value[0]
    ),
    "Top up.",
)


def opened(house: House, handset: Handset, business_id: str) -> list[str]:
    """The texts in a device's mailbox, opened in order and checked against their clearances."""
    texts = []
    for envelope in house.town.messaging.waiting(handset.end_id):
        sealed = Sealed(handset.end_id, envelope.olm_type, envelope.ciphertext)
        inside = envelopes.unpack(handset.open(business_id, sealed, envelope.sender_end_id))
        assert (inside.message_id, inside.business_id) == (envelope.message_id, business_id)
        texts.append(content_pb2.Content.FromString(inside.content).text.body)
    return texts


async def test_a_message_is_screened_sealed_and_promised(house: House, townsman: Handset) -> None:
    business_id = str(uuid4())
    stub = await house.business(business_id)
    message = direct(townsman, "Your order is ready.")
    outcome = await send(stub, message)
    assert outcome.message_id == message.message_id
    assert outcome.contact_id == townsman.contact_id(business_id)
    assert outcome.accepted.price.amount_micros == PRICE_MICROS
    assert outcome.accepted.category == clearance_pb2.CATEGORY_UTILITY
    again = direct(townsman, "Second.", contact_id=outcome.contact_id)
    assert (await send(stub, again)).HasField("accepted")
    [item] = [one for one in house.town.policy.screened if one.message_id == message.message_id]
    assert item.content == message.content.SerializeToString()
    assert opened(house, townsman, business_id) == ["Your order is ready.", "Second."]


async def test_the_same_again_has_the_first_answer_and_arrives_once(
    house: House, townsman: Handset
) -> None:
    business_id = str(uuid4())
    stub = await house.business(business_id)
    message = direct(townsman, "Once.")
    first = await send(stub, message)
    house.clock.advance(30)
    outcomes = await asyncio.gather(*(send(stub, message) for _ in range(5)))
    assert all(outcome == first for outcome in outcomes)
    other = direct(townsman, "Another body.", message_id=message.message_id)
    with pytest.raises(Refusal) as refused:
        await send(stub, other)
    assert refused.value.reason.name == "MESSAGE_ID_REUSED"
    await send(stub, direct(townsman, "After."))
    assert opened(house, townsman, business_id) == ["Once.", "After."]


async def test_what_policy_blocks_comes_with_evidence_and_goes_nowhere(
    house: House, townsman: Handset
) -> None:
    outcome = await send(await house.business(), direct(townsman, f"A {BLOCKED_WORD}!"))
    assert [one.message for one in outcome.blocked.evidence] == ["It promotes."]
    assert house.town.messaging.batches == []


async def test_messagings_refusal_is_passed_on_and_stops_no_later_message(
    house: House, townsman: Handset
) -> None:
    business_id = str(uuid4())
    stub = await house.business(business_id)
    refused_message = direct(townsman, "Not paid.")
    house.town.messaging.refused_messages[refused_message.message_id] = NO_CREDIT
    with pytest.raises(Refusal) as refused:
        await send(stub, refused_message)
    assert (refused.value.reason.domain, refused.value.reason.name) == (
        "billing.hudhud",
        "INSUFFICIENT_CREDIT",
    )
    await send(stub, direct(townsman, "Paid."))
    house.town.messaging.refused_messages.clear()
    await send(stub, refused_message)
    assert opened(house, townsman, business_id) == ["Paid.", "Not paid."]


async def test_somebody_without_a_device_cannot_be_reached(house: House, townsman: Handset) -> None:
    townsman.person.devices.clear()
    with pytest.raises(Refusal) as refused:
        await send(await house.business(), direct(townsman, "Hello?"))
    assert refused.value.reason.name == "NO_DEVICE"


@pytest.mark.parametrize(
    ("peer", "method"),
    [
        ("policy", "ScreenMessages"),
        ("messaging", "AcceptMessages"),
        ("identity", "ResolveContacts"),
    ],
)
async def test_a_peer_that_is_away_is_said_to_be_and_the_same_message_succeeds_later(
    house: House, townsman: Handset, peer: str, method: str
) -> None:
    business_id = str(uuid4())
    stub = await house.business(business_id)
    troubles = getattr(house.town, peer).troubles
    troubles.refusals[method] = away()
    message = direct(townsman, "In the end.")
    with pytest.raises(Refusal) as refused:
        await send(stub, message)
    assert refused.value.reason.name == "DEPENDENCY_UNAVAILABLE"
    troubles.refusals.clear()
    assert (await send(stub, message)).HasField("accepted")
    assert opened(house, townsman, business_id) == ["In the end."]


async def test_after_a_dispatch_that_nobody_answered_sessions_are_begun_anew(
    house: House, townsman: Handset
) -> None:
    """What was sealed may still reach messaging, after what is sealed from now on."""
    business_id = str(uuid4())
    stub = await house.business(business_id)
    await send(stub, direct(townsman, "Before."))
    house.town.messaging.troubles.lost_answers["AcceptMessages"] = 10
    with pytest.raises(Refusal):
        await send(stub, direct(townsman, "Accepted, but nobody knows."))
    house.town.messaging.troubles.lost_answers.clear()
    await send(stub, direct(townsman, "After."))
    assert house.town.identity.troubles.calls["ClaimKeyBundles"] == 2
    assert opened(house, townsman, business_id) == [
        "Before.",
        "Accepted, but nobody knows.",
        "After.",
    ]


async def test_what_was_sealed_behind_a_dispatch_that_nobody_answered_is_sealed_anew(
    house: House, townsman: Handset
) -> None:
    """It waited, sealed, for the one before; from its session nothing may leave any more."""
    business_id = str(uuid4())
    stub = await house.business(business_id)
    messaging = house.town.messaging
    await send(stub, direct(townsman, "Before."))
    messaging.may_accept.clear()
    held = asyncio.ensure_future(send(stub, direct(townsman, "Accepted, but nobody knows.")))
    await eventually(lambda: len(messaging.batches) == 2)
    behind = asyncio.ensure_future(send(stub, direct(townsman, "Behind.")))

    async def three_are_sealed() -> bool:
        return await house.sealed_count(business_id) == 3

    await eventually(three_are_sealed)
    messaging.troubles.lost_answers["AcceptMessages"] = ATTEMPTS_MAX
    messaging.may_accept.set()
    with pytest.raises(Refusal):
        await held
    assert (await behind).HasField("accepted")
    assert house.town.identity.troubles.calls["ClaimKeyBundles"] == 2
    assert opened(house, townsman, business_id) == [
        "Before.",
        "Accepted, but nobody knows.",
        "Behind.",
    ]


async def test_an_answer_of_messaging_that_was_lost_is_had_again_by_itself(
    house: House, townsman: Handset
) -> None:
    """With the same ciphertexts: sessions go on as if nothing had happened."""
    business_id = str(uuid4())
    stub = await house.business(business_id)
    house.town.messaging.troubles.lost_answers["AcceptMessages"] = 1
    assert (await send(stub, direct(townsman, "One."))).HasField("accepted")
    await send(stub, direct(townsman, "Two."))
    assert house.town.messaging.troubles.calls["AcceptMessages"] == 3
    assert house.town.identity.troubles.calls["ClaimKeyBundles"] == 1
    assert opened(house, townsman, business_id) == ["One.", "Two."]


async def test_what_arrives_while_a_batch_is_under_way_shares_the_next(
    house: House, townsman: Handset
) -> None:
    business_id = str(uuid4())
    stub = await house.business(business_id)
    messaging = house.town.messaging
    await send(stub, direct(townsman, "0"))
    messaging.may_accept.clear()
    first = asyncio.ensure_future(send(stub, direct(townsman, "1")))
    await eventually(lambda: len(messaging.batches) == 2)
    rest = [asyncio.ensure_future(send(stub, direct(townsman, f"{n}"))) for n in range(2, 40)]
    await eventually(lambda: house.server.calls_in_flight == 39)
    messaging.may_accept.set()
    await asyncio.gather(first, *rest)
    # Batches may be under way; what they do not take waits and forms the next.
    assert sum(len(batch) for batch in messaging.batches) == 40
    assert len(messaging.batches) <= 6
    assert sorted(opened(house, townsman, business_id), key=int) == [f"{n}" for n in range(40)]


async def test_a_call_whose_deadline_went_by_can_be_made_again(
    house: House, townsman: Handset
) -> None:
    business_id = str(uuid4())
    stub = await house.business(business_id)
    await send(stub, direct(townsman, "Before."))
    house.town.messaging.may_accept.clear()
    message = direct(townsman, "Late.")
    with pytest.raises(Refusal) as refused:
        await send(stub, message, timeout=0.2)
    assert refused.value.reason.name == "DEADLINE_EXCEEDED"
    house.town.messaging.may_accept.set()
    assert (await send(stub, message)).HasField("accepted")
    assert opened(house, townsman, business_id) == ["Before.", "Late."]


async def test_an_edge_that_was_restarted_goes_on_in_its_sessions(
    house: House, townsman: Handset
) -> None:
    business_id = str(uuid4())
    await send(await house.business(business_id), direct(townsman, "Before."))
    async with running_edge(house.town, house.settings) as again:
        await send(await again.business(business_id), direct(townsman, "After."))
    assert house.town.identity.troubles.calls["ClaimKeyBundles"] == 1
    assert opened(house, townsman, business_id) == ["Before.", "After."]


# --- What makes no sense --------------------------------------------------------------------------


def name_template(message: pb.OutgoingMessage) -> None:
    message.kind = clearance_pb2.KIND_TEMPLATE
    message.ClearField("category")
    message.content.template.name, message.content.template.language_code = "none", "ar"


Change = Callable[[pb.OutgoingMessage], Any]
BAD: dict[str, tuple[Change, str]] = {
    "no id": (lambda message: message.ClearField("message_id"), "INVALID_FIELD"),
    "an id that is none": (lambda message: setattr(message, "message_id", "7"), "INVALID_FIELD"),
    "no recipient": (lambda message: message.ClearField("recipient"), "INVALID_FIELD"),
    "an empty number": (lambda message: setattr(message, "phone_number", ""), "UNKNOWN_PERSON"),
    "no contact": (lambda message: setattr(message, "contact_id", "c_1"), "INVALID_FIELD"),
    "no kind": (lambda message: message.ClearField("kind"), "INVALID_FIELD"),
    "an unknown kind": (lambda message: setattr(message, "kind", 77), "INVALID_FIELD"),
    "no category": (lambda message: message.ClearField("category"), "CATEGORY_REQUIRED"),
    "no content": (lambda message: message.ClearField("content"), "INVALID_FIELD"),
    "an empty content": (lambda message: message.content.ClearField("body"), "INVALID_FIELD"),
    "spaces": (lambda message: setattr(message.content.text, "body", " \n\t"), "TEXT_EMPTY"),
    "too long": (
        lambda message: setattr(message.content.text, "body", "x" * 4097),
        "INVALID_FIELD",
    ),
    "another kind": (
        lambda message: setattr(message, "kind", clearance_pb2.KIND_TEMPLATE),
        "KIND_CONTENT_MISMATCH",
    ),
    "an unknown template": (name_template, "UNKNOWN_TEMPLATE"),
    "too short a time": (
        lambda message: setattr(message.time_to_live, "seconds", 29),
        "INVALID_FIELD",
    ),
}


@pytest.mark.parametrize("what", BAD)
async def test_what_makes_no_sense_is_refused_with_its_reason(
    house: House, townsman: Handset, what: str
) -> None:
    change, reason = BAD[what]
    message = direct(townsman, "Text.")
    change(message)
    with pytest.raises(Refusal) as refused:
        await send(await house.business(), message)
    assert refused.value.reason.name == reason
    assert house.town.messaging.batches == []


async def test_only_a_business_may_send(house: House, townsman: Handset) -> None:
    message = direct(townsman, "Text.")
    device = house.town.tokens.sign(
        CallerKind.DEVICE,
        townsman.person.person_id,
        device_id=uuid4(),
        country="SY",
        lifetime_seconds=900,
    )
    operator = house.town.tokens.sign(CallerKind.OPERATOR, "somebody", lifetime_seconds=900)
    expired = house.town.tokens.sign(CallerKind.BUSINESS, uuid4(), lifetime_seconds=-1)
    for text, reason in (
        (device.text, "CALLER_NOT_ALLOWED"),
        (operator.text, "CALLER_NOT_ALLOWED"),
        (expired.text, "TOKEN_EXPIRED"),
        ("no token", "TOKEN_INVALID"),
        (None, "TOKEN_MISSING"),
    ):
        with pytest.raises(Refusal) as refused:
            await send(await house.bearer(text), message)
        assert refused.value.reason.name == reason
