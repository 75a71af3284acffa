"""Bad input gets a clear error: what a business's program can get wrong, seen from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.edge.v1 import edge_service_pb2
from services.kit.client import connect
from services.kit.errors import Refusal
from services.local.parties import Business, Doors, template_message
from services.local.replay import Replay, report, show, succeeded
from tests.journeys.parties import (
    RECEIPT_PARAMETERS,
    Parties,
    direct,
    receipt,
    reply,
    spent_micros,
)


async def refusal_of(business: Business, message: edge_service_pb2.OutgoingMessage) -> Refusal:
    """Why a message is refused; nothing may be charged for it."""
    with pytest.raises(Refusal) as refused:
        await business.send(message)
    assert refused.value.message
    assert (await business.account()).reserved.amount_micros == 0
    return refused.value


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "INVALID_FIELD"), ("  \n\t ", "TEXT_EMPTY"), ("x" * 4097, "INVALID_FIELD")],
)
async def test_a_text_that_is_empty_or_too_long(parties: Parties, text: str, reason: str) -> None:
    shop, person = await parties.business(), await parties.person()
    refusal = await refusal_of(shop, direct(person.phone_number, text))
    assert refusal.reason.name == reason
    longest = direct(person.phone_number, "Your order is at the counter. " + "x " * 2033)
    assert len(longest.content.text.body) == 4096
    assert (await shop.send(longest)).WhichOneof("outcome") in {"accepted", "blocked"}


async def test_a_template_that_nobody_submitted(parties: Parties) -> None:
    shop, person = await parties.business(), await parties.person()
    message = template_message(person.phone_number, "no_such_template", "en", {})
    assert (await refusal_of(shop, message)).reason.name == "UNKNOWN_TEMPLATE"
    other_language = template_message(person.phone_number, "receipt", "fr", RECEIPT_PARAMETERS)
    assert (await refusal_of(shop, other_language)).reason.name == "UNKNOWN_TEMPLATE"


async def test_another_businesss_template(parties: Parties) -> None:
    await parties.business("Owner")
    stranger, person = await parties.business(with_receipt=False), await parties.person()
    refusal = await refusal_of(stranger, receipt(person.phone_number))
    assert refusal.reason.name == "UNKNOWN_TEMPLATE"


async def test_a_parameter_too_few_or_too_many(parties: Parties) -> None:
    shop, person = await parties.business(), await parties.person()
    lacking = {name: value for name, value in RECEIPT_PARAMETERS.items() if name != "order"}
    refusal = await refusal_of(
        shop, template_message(person.phone_number, "receipt", "en", lacking)
    )
    assert refusal.reason.name == "PARAMETER_MISSING"
    assert refusal.metadata["parameters"] == "order"
    refusal = await refusal_of(shop, receipt(person.phone_number, coupon="SAVE20"))
    assert refusal.reason.name == "PARAMETER_UNKNOWN"
    assert refusal.metadata["parameters"] == "coupon"


@pytest.mark.parametrize("number", ["12345", "+963", "+99912345678", "hello", "0944123456"])
async def test_a_bad_number(parties: Parties, number: str) -> None:
    shop = await parties.business()
    refusal = await refusal_of(shop, receipt(number))
    assert refusal.reason.name == "INVALID_PHONE_NUMBER"
    assert number not in refusal.message.replace("+963944123456", "")  # An example of ours.


async def test_a_person_whom_nobody_knows(parties: Parties) -> None:
    shop = await parties.business()
    refusal = await refusal_of(shop, receipt("+963933999999"))
    assert refusal.reason.name == "UNKNOWN_PERSON"


async def test_a_contact_of_another_business(parties: Parties) -> None:
    shop, stranger = await parties.business(), await parties.business()
    person = await parties.person()
    contact_id = (await shop.send(receipt(person.phone_number))).contact_id
    message = receipt("")
    message.contact_id = contact_id
    refusal = await refusal_of(stranger, message)
    assert refusal.reason.name in {"UNKNOWN_CONTACT", "NO_DEVICE"}


async def test_an_id_reused_for_another_body(parties: Parties) -> None:
    shop, person = await parties.business(), await parties.person()
    message = receipt(person.phone_number)
    await shop.send(message)
    await person.next_message()
    other = receipt(person.phone_number, amount="99.00 USD")
    other.message_id = message.message_id
    with pytest.raises(Refusal) as refused:
        await shop.send(other)
    assert refused.value.reason.name == "MESSAGE_ID_REUSED"
    assert refused.value.reason.status.name == "ALREADY_EXISTS"


async def test_a_token_that_is_none(parties: Parties) -> None:
    doors: Doors = parties.doors
    async with connect(doors.address("edge"), name="edge", tls=doors.authority) as channel:
        start = channel.unary_unary(
            "/hudhud.edge.v1.EdgeService/SendMessage",
            edge_service_pb2.SendMessageRequest.SerializeToString,
            edge_service_pb2.SendMessageResponse.FromString,
        )
        request = edge_service_pb2.SendMessageRequest(message=receipt("+963944123456"))
        with pytest.raises(Refusal) as refused:
            await start(request)
        assert refused.value.reason.name == "TOKEN_MISSING"
        with pytest.raises(Refusal) as refused:
            await start(request, metadata=(("authorization", "Bearer made.up.token"),))
        assert refused.value.reason.name == "TOKEN_INVALID"


async def test_a_device_or_operator_cannot_send(parties: Parties) -> None:
    with pytest.raises(Refusal) as refused:
        await parties.operator.edge.SendMessage(
            edge_service_pb2.SendMessageRequest(message=receipt("+963944123456"))
        )
    assert refused.value.reason.name == "CALLER_NOT_ALLOWED"


async def test_no_credit(parties: Parties) -> None:
    shop, person = await parties.business(credit_micros=7_000), await parties.person()
    first = receipt(person.phone_number)
    assert (await shop.send(first)).HasField("accepted")
    await person.next_message()
    with pytest.raises(Refusal) as refused:
        await shop.send(receipt(person.phone_number))
    assert refused.value.reason.name == "INSUFFICIENT_CREDIT"
    assert await spent_micros(shop, 7_000) == 5_000


async def test_kinds_categories_and_contents_that_do_not_go_together(parties: Parties) -> None:
    shop, person = await parties.business(), await parties.person()
    number = person.phone_number
    unsaid = clearance_pb2.CATEGORY_UNSPECIFIED
    wrong = receipt(number)
    wrong.kind = clearance_pb2.KIND_DIRECT
    assert (await refusal_of(shop, wrong)).reason.name == "KIND_CONTENT_MISMATCH"
    undeclared = direct(number, "Your parcel is here.", unsaid)
    assert (await refusal_of(shop, undeclared)).reason.name == "CATEGORY_REQUIRED"
    declared = reply(number, "Your parcel is here.")
    declared.category = clearance_pb2.CATEGORY_UTILITY
    assert (await refusal_of(shop, declared)).reason.name == "CATEGORY_NOT_ALLOWED"
    empty = direct(number, "x")
    empty.content.CopyFrom(content_pb2.Content())
    assert (await refusal_of(shop, empty)).reason.name == "INVALID_FIELD"


async def test_in_a_stream_one_bad_message_fails_no_other(parties: Parties) -> None:
    shop, person = await parties.business(), await parties.person()
    good, bad_field, bad_number = (
        receipt(person.phone_number),
        direct(person.phone_number, ""),
        receipt("12345"),
    )
    bad_id = receipt(person.phone_number)
    bad_id.message_id = "not a uuid"
    outcomes = {}
    async with shop.send_many() as stream:
        await stream.write(
            edge_service_pb2.SendMessagesRequest(messages=[bad_field, good, bad_number, bad_id])
        )
        await stream.done_writing()
        while (response := await stream.read()) is not None:
            outcomes.update({outcome.message_id: outcome for outcome in response.outcomes})
    assert outcomes[good.message_id].HasField("accepted")
    assert outcomes[bad_field.message_id].refusal.reason == "INVALID_FIELD"
    assert outcomes[bad_number.message_id].refusal.reason == "INVALID_PHONE_NUMBER"
    assert outcomes["not a uuid"].refusal.reason == "INVALID_FIELD"
    assert (await person.next_message()).message_id == good.message_id


async def test_replay_names_malformed_lines_and_loses_none(
    parties: Parties, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        {"id": "1", "text": "Your order 5521 was shipped today.", "label": "transactional"},
        "{not json",
        {"id": "3"},
        {"id": "4", "text": 5},
        {"id": "5", "text": "", "label": "[/no colour]"},
        {"id": "6", "text": "رمز التحقق الخاص بك هو 481920 ولا تشاركه مع أحد.", "lang": "ar"},
        ["a list"],
        {"id": "8", "text": "half a surrogate \ud83d here"},
    ]
    file = tmp_path / "lines.jsonl"
    file.write_text(
        "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    )
    replay = Replay(parties.doors, file, kind="direct", category="utility", limit=0)
    await replay.run()
    found = report(replay)
    assert [problem["line"] for problem in found["malformed"]] == [2, 3, 4, 7, 8]
    assert {item["id"]: item["outcome"] for item in found["items"]} == {
        "1": "delivered",
        "5": "refused",
        "6": "delivered",
    }
    assert succeeded(replay)
    show(replay)
    assert "[/no colour]" in capsys.readouterr().out
