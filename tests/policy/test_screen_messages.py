"""ScreenMessages: what may go, what may not, what makes no sense, what is kept."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.policy.v1 import policy_service_pb2 as pb
from services.kit.client import PeerFault
from services.kit.errors import Refusal
from services.kit.signing import VerifyingKey
from services.policy.errors import model_unavailable
from services.policy.explanations import CHARACTERS_MAX
from services.policy.judge import Explanation, Judge
from tests.policy.house import keys_of
from tests.policy.parties import (
    AUTHENTICATION,
    MARKETING,
    OFFER,
    OFFER_ARABIC,
    RECEIPT,
    RECEIPT_ARABIC,
    REPLY,
    SCAM,
    SERVICE,
    TEMPLATE,
    UTILITY,
    Business,
    Person,
    codes,
    text,
)


async def test_a_clearance_says_what_was_asked_and_is_signed(
    business: Business, person: Person
) -> None:
    item = business.item(person, RECEIPT)
    allowed = await business.allowed(item)
    assert allowed.category == UTILITY

    anyone = await business.replica.anyone()
    keys = keys_of(await anyone.ListVerificationKeys(pb_keys()))
    signed = allowed.clearance
    key = VerifyingKey(keys[signed.key_id])
    assert key.verify("hudhud.clearance.v1", signed.clearance, signed.signature)
    assert not key.verify("hudhud.clearance.v1", signed.clearance + b"\0", signed.signature)

    clearance = clearance_pb2.Clearance.FromString(signed.clearance)
    assert clearance.message_id == item.message_id
    assert clearance.business_id == item.business_id
    assert clearance.contact_id == item.contact_id
    assert clearance.kind == item.kind
    assert clearance.category == UTILITY
    assert clearance.template_id == ""
    assert clearance.screening == clearance_pb2.SCREENING_PLATFORM
    assert clearance.commitment == item.commitment
    now = business.replica.house.clock.now()
    assert clearance.issue_time.ToDatetime(now.tzinfo) == now
    assert clearance.expire_time.seconds - clearance.issue_time.seconds == 600


def pb_keys() -> Any:
    from hudhud.policy.v1 import verification_key_pb2

    return verification_key_pb2.ListVerificationKeysRequest()


@pytest.mark.parametrize("body", [RECEIPT, RECEIPT_ARABIC])
async def test_what_a_person_asked_for_may_go(
    business: Business, person: Person, body: str
) -> None:
    await business.allowed(business.item(person, body))


@pytest.mark.parametrize(("body", "language"), [(OFFER, "en"), (OFFER_ARABIC, "ar")])
async def test_an_advertisement_declared_as_utility_is_blocked_with_evidence(
    business: Business, person: Person, body: str, language: str
) -> None:
    evidence = await business.blocked(business.item(person, body))
    assert codes(evidence)[0] == "PROMOTIONAL_CONTENT"
    assert evidence[0].witness.startswith("classifier ")
    assert ("marketing" if language == "en" else "تسويقية") in evidence[0].message
    assert evidence[0].spans
    for span in evidence[0].spans:
        assert 0 <= span.start < span.end <= len(body)


async def test_marketing_goes_where_it_is_wanted_and_no_longer_once_it_is_not(
    business: Business, person: Person
) -> None:
    def advertisement() -> pb.ScreenItem:
        return business.item(person, OFFER, category=MARKETING)

    device = await person.device()
    business_id = str(business.business_id)
    assert codes(await business.blocked(advertisement())) == ["NO_MARKETING_CONSENT"]
    await device.GrantConsent(pb.GrantConsentRequest(business_id=business_id))
    assert (await business.allowed(advertisement())).category == MARKETING
    await device.WithdrawConsent(pb.WithdrawConsentRequest(business_id=business_id))
    assert codes(await business.blocked(advertisement())) == ["NO_MARKETING_CONSENT"]


async def test_a_block_stops_everything(business: Business, person: Person) -> None:
    device = await person.device()
    business_id = str(business.business_id)
    await device.BlockBusiness(pb.BlockBusinessRequest(business_id=business_id))
    for item in (
        business.item(person, RECEIPT),
        business.item(person, "Yes, we are open until nine.", REPLY),
    ):
        assert codes(await business.blocked(item)) == ["RECIPIENT_DECLINED"]
    await business.allowed(business.item(Person(business.replica), RECEIPT))
    await device.UnblockBusiness(pb.UnblockBusinessRequest(business_id=business_id))
    await business.allowed(business.item(person, RECEIPT))


async def test_scam_is_stopped_whatever_it_is_declared_as(
    business: Business, person: Person
) -> None:
    device = await person.device()
    await device.GrantConsent(pb.GrantConsentRequest(business_id=str(business.business_id)))
    for item in (
        business.item(person, SCAM),
        business.item(person, SCAM, category=MARKETING),
        business.item(person, SCAM, REPLY),
    ):
        assert "SCAM_CONTENT" in codes(await business.blocked(item))


async def test_a_reply_may_speak_of_prices(business: Business, person: Person) -> None:
    answer = (
        "Yes, the blue one is still in stock. It is 25,000 this week and we can keep it for you."
    )
    allowed = await business.allowed(business.item(person, answer, REPLY))
    assert allowed.category == SERVICE


async def test_an_authentication_message_brings_a_code(business: Business, person: Person) -> None:
    code = "482193 is your code for signing in. Do not give it to anybody."
    allowed = await business.allowed(business.item(person, code, category=AUTHENTICATION))
    assert allowed.category == AUTHENTICATION
    without = business.item(person, "Please confirm that it was you.", category=AUTHENTICATION)
    assert "CATEGORY_MISMATCH" in codes(await business.blocked(without))


async def test_hidden_words_are_read_and_told(business: Business, person: Person) -> None:
    disguised = OFFER.replace("SALE", "S\u200bA\u200bL\u200bE").replace("OFF", "О\u200bFF")
    assert "DISGUISED_TEXT" in codes(await business.blocked(business.item(person, disguised)))


async def test_the_words_of_buttons_are_read_too(business: Business, person: Person) -> None:
    content = content_pb2.Content(
        interactive=content_pb2.Interactive(
            body="Your order 90213 has arrived.",
            buttons=content_pb2.Buttons(
                buttons=[
                    content_pb2.Button(choice_id=str(number), label=label)
                    for number, label in enumerate(
                        ["70% OFF everything!", "Buy one get one free", "Mega sale, shop now!"]
                    )
                ]
            ),
        )
    )
    assert "PROMOTIONAL_CONTENT" in codes(await business.blocked(business.item(person, content)))


# --- Where the classifier found it ------------------------------------------------------------


async def test_nobody_waits_for_the_explanations_of_others(
    business: Business, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    explain, asked, may_answer = Judge.explain, asyncio.Event(), asyncio.Event()

    async def explain_later(judge: Judge, texts: Sequence[str]) -> list[Explanation]:
        asked.set()
        await may_answer.wait()
        return await explain(judge, texts)

    monkeypatch.setattr(Judge, "explain", explain_later)
    stopping = asyncio.ensure_future(business.blocked(business.item(person, OFFER)))
    await asked.wait()
    await business.allowed(business.item(person, RECEIPT))
    assert not stopping.done()
    may_answer.set()
    assert (await stopping)[0].spans


async def test_of_many_that_are_stopped_as_many_are_explained_as_takes_little_time(
    business: Business, person: Person
) -> None:
    offers = [f"{OFFER} {number:b} {'Come in today. ' * 20}" for number in range(8)]
    explained = 0
    for offer, outcome in zip(
        offers,
        await business.screen(*(business.item(person, offer) for offer in offers)),
        strict=True,
    ):
        evidence = outcome.blocked.evidence
        assert codes(evidence)[0] == "PROMOTIONAL_CONTENT"
        explained += len(offer) if evidence[0].spans else 0
    assert len(offers[0]) <= explained <= CHARACTERS_MAX


async def test_a_long_text_is_explained_if_it_is_the_only_one(
    business: Business, person: Person
) -> None:
    offer = f"{OFFER} " * 15
    assert len(offer) > CHARACTERS_MAX
    assert (await business.blocked(business.item(person, offer)))[0].spans


async def test_without_an_explanation_it_is_stopped_all_the_same_and_so_for_good(
    business: Business, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(judge: Judge, texts: Sequence[str]) -> list[Explanation]:
        raise model_unavailable()

    item = business.item(person, OFFER)
    with monkeypatch.context() as away:
        away.setattr(Judge, "explain", refuse)
        evidence = await business.blocked(item)
    assert codes(evidence) == ["PROMOTIONAL_CONTENT"]
    assert not evidence[0].spans
    assert await business.blocked(item) == evidence


# --- What makes no sense ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"content": text("").SerializeToString()}, "TEXT_EMPTY"),
        ({"content": text(" \n ").SerializeToString()}, "TEXT_EMPTY"),
        ({"content": text("a" * 4097).SerializeToString()}, "TEXT_TOO_LONG"),
        ({"content": b"\xff\xff"}, "CONTENT_MALFORMED"),
        (
            {"content": content_pb2.Content().SerializeToString() or b"\x50\x00"},
            "CONTENT_MALFORMED",
        ),
        (
            {
                "content": content_pb2.Content(
                    choice=content_pb2.Choice(choice_id="1")
                ).SerializeToString()
            },
            "CONTENT_MALFORMED",
        ),
        ({"kind": TEMPLATE, "category": 0}, "CONTENT_MALFORMED"),
        ({"category": 0}, "CATEGORY_REQUIRED"),
        ({"category": SERVICE}, "CATEGORY_NOT_ALLOWED"),
        ({"kind": REPLY, "category": UTILITY}, "CATEGORY_NOT_ALLOWED"),
        ({"commitment": b"\0" * 32}, "COMMITMENT_MISMATCH"),
        ({"contact_id": "c_" + "a" * 55}, "UNKNOWN_CONTACT"),
        ({"contact_id": "+963944123456"}, "INVALID_FIELD"),
        ({"message_id": "7"}, "INVALID_FIELD"),
        ({"kind": 77}, "INVALID_FIELD"),
        ({"franking_key": b"short"}, "INVALID_FIELD"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_reason(
    business: Business, person: Person, said: dict[str, Any], reason: str
) -> None:
    content = said.pop("content", text(RECEIPT).SerializeToString())
    assert await business.refused(business.item(person, content, **said)) == reason


async def test_a_contact_of_another_business_is_unknown(business: Business, person: Person) -> None:
    other = Business(business.replica)
    item = business.item(person, RECEIPT, contact_id=other.contact_id(person))
    assert await business.refused(item) == "UNKNOWN_CONTACT"


async def test_a_business_may_screen_only_its_own(business: Business, person: Person) -> None:
    stub = await business.stub()
    other = Business(business.replica)
    response = await stub.ScreenMessages(
        pb.ScreenMessagesRequest(
            items=[business.item(person, RECEIPT), other.item(person, RECEIPT)]
        )
    )
    own, others = response.outcomes
    assert own.WhichOneof("outcome") == "allowed"
    assert others.refusal.reason == "CALLER_NOT_ALLOWED"


async def test_one_bad_message_never_fails_the_others(business: Business, person: Person) -> None:
    outcomes = await business.screen(
        business.item(person, RECEIPT),
        business.item(person, RECEIPT, message_id="nonsense"),
        business.item(person, OFFER),
        business.item(person, RECEIPT, commitment=b"\0" * 32),
        business.item(person, RECEIPT_ARABIC),
    )
    assert [outcome.WhichOneof("outcome") for outcome in outcomes] == [
        "allowed",
        "refusal",
        "blocked",
        "refusal",
        "allowed",
    ]


async def test_an_empty_request_is_refused_as_a_whole(business: Business) -> None:
    edge = await business.replica.service()
    with pytest.raises(PeerFault, match="INVALID_FIELD"):
        await edge.ScreenMessages(pb.ScreenMessagesRequest())
    messaging = await business.replica.service("messaging")
    with pytest.raises(PeerFault, match="CALLER_NOT_ALLOWED"):
        await messaging.ScreenMessages(pb.ScreenMessagesRequest())


# --- What is kept -----------------------------------------------------------------------------


async def test_no_text_of_a_message_is_kept(business: Business, person: Person) -> None:
    mark = "Qasioun7731"
    outcomes = await business.screen(
        business.item(person, f"{mark} {RECEIPT}"), business.item(person, f"{OFFER} {mark}")
    )
    assert [one.WhichOneof("outcome") for one in outcomes] == ["allowed", "blocked"]
    house = business.replica.house
    tables = await house.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {"verdicts", "templates", "reports"} <= {row["tablename"] for row in tables}
    kept = 0
    for row in tables:
        lines = await house.rows(f'SELECT "{row["tablename"]}"::text FROM "{row["tablename"]}"')
        kept += len(lines)
        assert not any(mark in line[0] or mark.encode().hex() in line[0] for line in lines)
    assert kept > 0
    [counted] = await house.rows(
        "SELECT count(*) FROM verdicts WHERE business_id = $1", UUID(str(business.business_id))
    )
    assert counted[0] == 2


async def test_the_clock_of_a_refusal_is_not_needed(business: Business, person: Person) -> None:
    """A message that was refused may be sent right under the same id."""
    item = business.item(person, RECEIPT, commitment=b"\0" * 32)
    assert await business.refused(item) == "COMMITMENT_MISMATCH"
    await business.allowed(business.item(person, RECEIPT, message_id=item.message_id))


async def test_a_bad_token_gets_nowhere(business: Business) -> None:
    anyone = await business.replica.anyone()
    with pytest.raises(Refusal, match="TOKEN_MISSING"):
        await anyone.GetQuality(pb.GetQualityRequest(business_id=str(business.business_id)))
