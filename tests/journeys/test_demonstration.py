"""A journey for each line of the demonstration, with parties of its own."""

from __future__ import annotations

import pytest

from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.edge.v1 import edge_service_pb2
from hudhud.identity.v1 import identity_service_pb2
from hudhud.messaging.v1 import message_pb2, messaging_service_pb2
from hudhud.policy.v1 import evidence_pb2, policy_service_pb2
from services.ends.device.inbox import category_of
from services.kit.errors import Refusal
from services.local.demonstration.rates import PRICES_MICROS
from tests.journeys.parties import (
    ADVERTISEMENT,
    Parties,
    direct,
    is_received,
    is_state,
    receipt,
    reply,
    spent_micros,
    wait_for_delivery,
    wait_for_event,
)

UTILITY_IN_SYRIA = PRICES_MICROS[clearance_pb2.CATEGORY_UTILITY, "SY"]
MARKETING_IN_SYRIA = PRICES_MICROS[clearance_pb2.CATEGORY_MARKETING, "SY"]


async def test_a_business_registers_and_its_revoked_key_is_worth_nothing(parties: Parties) -> None:
    shop = await parties.business()
    key = await shop.identity.CreateApiKey(
        identity_service_pb2.CreateApiKeyRequest(business_id=shop.business_id)
    )
    exchange = identity_service_pb2.ExchangeApiKeyRequest(secret=key.secret)
    assert (await shop.identity.ExchangeApiKey(exchange)).business_id == shop.business_id
    await shop.identity.RevokeApiKey(
        identity_service_pb2.RevokeApiKeyRequest(
            business_id=shop.business_id, api_key_id=key.api_key.api_key_id
        )
    )
    with pytest.raises(Refusal) as refused:
        await shop.identity.ExchangeApiKey(exchange)
    assert refused.value.reason.name == "API_KEY_INVALID"


async def test_a_receipt_arrives_from_a_template_and_is_charged(parties: Parties) -> None:
    shop, person = await parties.business(), await parties.person()
    message = receipt(person.phone_number)
    outcome = await shop.send(message)
    assert outcome.accepted.category == clearance_pb2.CATEGORY_UTILITY
    arrived = await person.next_message()
    content = content_pb2.Content.FromString(arrived.content)
    assert arrived.message_id == message.message_id
    assert content.template.rendered == (
        "Dear Nour, we received your payment of 18.90 USD for order 77120. Thank you."
    )
    await wait_for_delivery(shop, message.message_id)
    assert await spent_micros(shop) == outcome.accepted.price.amount_micros == UTILITY_IN_SYRIA


async def test_what_the_person_sees_the_business_learns(parties: Parties) -> None:
    shop, person = await parties.business(), await parties.person()
    message = receipt(person.phone_number)
    await shop.send(message)
    person.device.mark_read(await person.next_message())
    await wait_for_event(shop, is_state(message.message_id, message_pb2.MESSAGE_STATE_READ))


async def test_a_message_sent_twice_arrives_and_is_charged_once(parties: Parties) -> None:
    shop, person = await parties.business(), await parties.person()
    message = receipt(person.phone_number)
    first = await shop.send(message)
    assert (await shop.send(message)).accepted == first.accepted
    await person.next_message()
    assert (await shop.send(message)).accepted == first.accepted
    other = receipt(person.phone_number)
    await shop.send(other)
    assert (await person.next_message()).message_id == other.message_id
    await wait_for_delivery(shop, other.message_id)
    assert await spent_micros(shop) == 2 * UTILITY_IN_SYRIA


async def test_a_person_writes_the_window_opens_and_the_answer_is_free(parties: Parties) -> None:
    shop, person = await parties.business(), await parties.person()
    question = await person.device.reply(shop.business_id, "هل يمكن تغيير موعد التوصيل؟")
    event = await wait_for_event(shop, is_received(question))
    received = event.message_received
    assert received.content.text.body == "هل يمكن تغيير موعد التوصيل؟"
    window = await shop.messaging.GetWindow(
        messaging_service_pb2.GetWindowRequest(
            business_id=shop.business_id, contact_id=received.contact_id
        )
    )
    assert window.open
    answer = reply(person.phone_number, "نعم، غيّرنا الموعد إلى يوم الخميس مساءً.")
    outcome = await shop.send(answer)
    assert outcome.contact_id == received.contact_id
    assert outcome.accepted.category == clearance_pb2.CATEGORY_SERVICE
    assert outcome.accepted.price.amount_micros == 0
    assert (await person.next_message()).message_id == answer.message_id
    await wait_for_delivery(shop, answer.message_id)
    assert await spent_micros(shop) == 0


async def test_a_conversation_goes_back_and_forth(parties: Parties) -> None:
    """The ratchet turns with every answer; a message lost to it would not arrive."""
    shop, person = await parties.business(), await parties.person()
    for turn in range(5):
        question = await person.device.reply(shop.business_id, f"Question number {turn}, please?")
        await wait_for_event(shop, is_received(question))
        answer = reply(person.phone_number, f"This is the answer to question {turn}.")
        await shop.send(answer)
        assert (await person.next_message()).message_id == answer.message_id


async def test_an_advertisement_as_utility_is_blocked_and_costs_nothing(parties: Parties) -> None:
    shop, person = await parties.business(), await parties.person()
    outcome = await shop.send(direct(person.phone_number, ADVERTISEMENT))
    codes = {evidence.code for evidence in outcome.blocked.evidence}
    assert evidence_pb2.Evidence.CODE_PROMOTIONAL_CONTENT in codes
    assert all(evidence.message and evidence.witness for evidence in outcome.blocked.evidence)
    assert await spent_micros(shop) == 0
    allowed = direct(person.phone_number, "Your parcel 5512 is at the post office until Friday.")
    await shop.send(allowed)
    assert (await person.next_message()).message_id == allowed.message_id
    assert not person.has_more


async def test_with_consent_it_arrives_as_marketing_and_without_it_does_not(
    parties: Parties,
) -> None:
    shop, person = await parties.business(), await parties.person()

    def advertisement() -> edge_service_pb2.OutgoingMessage:
        return direct(person.phone_number, ADVERTISEMENT, clearance_pb2.CATEGORY_MARKETING)

    before = await shop.send(advertisement())
    assert [evidence.code for evidence in before.blocked.evidence] == [
        evidence_pb2.Evidence.CODE_NO_MARKETING_CONSENT
    ]
    await person.device.grant_consent(shop.business_id)
    outcome = await shop.send(advertisement())
    assert outcome.accepted.category == clearance_pb2.CATEGORY_MARKETING
    arrived = await person.next_message()
    assert category_of(arrived) == clearance_pb2.CATEGORY_MARKETING
    await wait_for_delivery(shop, arrived.message_id)
    assert await spent_micros(shop) == MARKETING_IN_SYRIA
    await person.device.withdraw_consent(shop.business_id)
    after = await shop.send(advertisement())
    assert after.HasField("blocked")
    assert await spent_micros(shop) == MARKETING_IN_SYRIA


async def test_a_free_message_to_somebody_who_never_wrote_is_refused_with_advice(
    parties: Parties,
) -> None:
    airline, person = await parties.business("Airline"), await parties.person()
    with pytest.raises(Refusal) as refused:
        await airline.send(reply(person.phone_number, "How was your flight with us?"))
    assert refused.value.reason.name == "WINDOW_NEVER_OPENED"
    assert "template" in refused.value.message.lower()
    assert await spent_micros(airline) == 0


async def test_a_person_who_blocks_a_business_gets_nothing_from_it(parties: Parties) -> None:
    shop, person = await parties.business(), await parties.person()
    await person.device.block(shop.business_id)
    outcome = await shop.send(receipt(person.phone_number))
    assert [evidence.code for evidence in outcome.blocked.evidence] == [
        evidence_pb2.Evidence.CODE_RECIPIENT_DECLINED
    ]
    await person.device.unblock(shop.business_id)
    message = receipt(person.phone_number)
    await shop.send(message)
    assert (await person.next_message()).message_id == message.message_id


async def test_a_person_reports_a_message_with_its_proof(parties: Parties) -> None:
    shop, person = await parties.business(), await parties.person()
    await shop.send(receipt(person.phone_number))
    arrived = await person.next_message()
    reason = policy_service_pb2.ReportMessageRequest.REASON_PROMOTION
    await person.device.report(arrived.message_id, reason)
    quality = await shop.policy.GetQuality(
        policy_service_pb2.GetQualityRequest(business_id=shop.business_id)
    )
    assert quality.reported_count == 1


async def test_every_device_of_a_person_gets_the_message_and_it_is_charged_once(
    parties: Parties,
) -> None:
    shop, person = await parties.business(), await parties.person()
    tablet = await parties.second_device(person)
    message = receipt(person.phone_number)
    await shop.send(message)
    assert (await person.next_message()).message_id == message.message_id
    assert (await tablet.next_message()).message_id == message.message_id
    await wait_for_delivery(shop, message.message_id)
    assert await spent_micros(shop) == UTILITY_IN_SYRIA


async def test_the_ledger_holds(parties: Parties) -> None:
    checked = await parties.operator.check_ledger()
    assert not checked.faults
    for currency in checked.currencies:
        assert currency.debits == currency.credits
