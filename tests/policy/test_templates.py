"""SubmitTemplate, GetTemplate, ListTemplates: wordings and their review."""

from typing import Any
from uuid import uuid4

import pytest

from hudhud.content.v1 import content_pb2
from hudhud.policy.v1 import policy_service_pb2 as pb
from hudhud.policy.v1 import template_pb2
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.policy.parties import (
    AUTHENTICATION,
    MARKETING,
    OFFER,
    OFFER_ARABIC,
    SCAM,
    SERVICE,
    Business,
    codes,
)

APPROVED = template_pb2.Template.STATE_APPROVED
REJECTED = template_pb2.Template.STATE_REJECTED

BODY = "Hello {{name}}, your order {{order}} has left our warehouse."
EXAMPLES = {"name": "Layla", "order": "90213"}
ARABIC = "مرحبًا {{name}}، غادر طلبك رقم {{order}} مستودعنا وسيصلك غدًا."
ARABIC_EXAMPLES = {"name": "ليلى", "order": "٩٠٢١٣"}


async def refusal_of(call: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value


@pytest.mark.parametrize(
    ("body", "examples", "language_code"),
    [(BODY, EXAMPLES, "en"), (ARABIC, ARABIC_EXAMPLES, "ar")],
)
async def test_a_wording_is_reviewed_at_once(
    business: Business, body: str, examples: dict[str, str], language_code: str
) -> None:
    template = await business.submit(body, examples, language_code=language_code)
    assert template.state == APPROVED, template.evidence
    assert not template.evidence
    assert [parameter.name for parameter in template.parameters] == ["name", "order"]
    assert {one.name: one.example for one in template.parameters} == examples
    shown = "".join(one.literal or f"{{{{{one.parameter}}}}}" for one in template.segments)
    assert shown == body


@pytest.mark.parametrize(
    ("body", "examples", "said"),
    [
        ("Hello {{name}", {"name": "Layla"}, "braces"),
        ("Hello {{Name}}", {"Name": "Layla"}, ""),
        ("Hello {{ name }} and all", {"name": "Layla"}, "braces"),
        ("Hello {{}} there", {}, "braces"),
        ("Hello {{name}}, welcome to us", {}, "no example for name"),
        ("Hello {{name}}, welcome to us", {"name": " "}, "no example for name"),
        ("Hello {{name}}, welcome to us", {"name": "L", "day": "Sunday"}, "not name day"),
        ("Hello there {{name}}{{day}}", {"name": "L", "day": "Sunday"}, "without anything between"),
        ("{{text}}", {"text": "Your parcel has arrived"}, "words of its own"),
        ("{{a}} - {{b}} - {{c}} ok", {"a": "x", "b": "y", "c": "z"}, "words of its own"),
        ("123 !", {}, "words of its own"),
    ],
)
async def test_what_cannot_be_a_template_is_refused(
    business: Business, body: str, examples: dict[str, str], said: str
) -> None:
    refusal = await refusal_of(business.submit(body, examples))
    assert refusal.reason.name in ("TEMPLATE_MALFORMED", "INVALID_FIELD")
    assert said in refusal.message


async def test_a_template_for_service_makes_no_sense(business: Business) -> None:
    refusal = await refusal_of(business.submit(BODY, EXAMPLES, category=SERVICE))
    assert refusal.reason.name == "CATEGORY_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("body", "language_code", "word"), [(OFFER, "en", "promotes"), (OFFER_ARABIC, "ar", "يروّج")]
)
async def test_a_utility_template_that_promotes_is_rejected_with_evidence(
    business: Business, body: str, language_code: str, word: str
) -> None:
    template = await business.submit(body, language_code=language_code)
    assert template.state == REJECTED
    assert "PROMOTIONAL_CONTENT" in codes(template.evidence)
    assert word in template.evidence[0].message
    refusal = await refusal_of(get(business, "order_news", language_code))
    assert refusal.reason.name == "TEMPLATE_REJECTED"
    assert "PROMOTIONAL_CONTENT" in refusal.metadata["evidence"]
    assert word in refusal.message
    # As what it is, it may stand.
    honest = await business.submit(body, category=MARKETING, language_code=language_code)
    assert honest.state == APPROVED


async def test_an_offer_in_an_example_or_a_button_is_read(business: Business) -> None:
    template = await business.submit("News for you today: {{text}}", {"text": OFFER})
    assert template.state == REJECTED
    button = content_pb2.Button(choice_id="1", label="70% OFF, buy now!")
    more = content_pb2.Button(choice_id="2", label="Mega sale, save big!")
    template = await business.submit(BODY, EXAMPLES, buttons=[button, more])
    assert template.state == REJECTED


async def test_scam_is_rejected_even_as_marketing(business: Business) -> None:
    template = await business.submit(SCAM, category=MARKETING)
    assert template.state == REJECTED
    assert "SCAM_CONTENT" in codes(template.evidence)


async def test_an_authentication_template_brings_a_code(business: Business) -> None:
    good = await business.submit(
        "Your code for signing in is {{code}}. Do not give it to anybody.",
        {"code": "482193"},
        category=AUTHENTICATION,
    )
    assert good.state == APPROVED, good.evidence
    template = await business.submit("Please confirm that it was you.", category=AUTHENTICATION)
    assert codes(template.evidence) == ["CATEGORY_MISMATCH"]


async def test_the_same_request_again_gets_the_first_answer(business: Business) -> None:
    request_id = str(new_id())
    first = await business.submit(BODY, EXAMPLES, request_id=request_id)
    business.replica.house.clock.advance(60)
    assert await business.submit(BODY, EXAMPLES, request_id=request_id) == first
    for call in (
        business.submit(ARABIC, ARABIC_EXAMPLES, request_id=request_id),
        business.submit(BODY, EXAMPLES, category=MARKETING, request_id=request_id),
        Business(business.replica).submit(BODY, EXAMPLES, request_id=request_id),
    ):
        assert (await refusal_of(call)).reason.name == "TEMPLATE_ID_REUSED"


async def get(business: Business, name: str, language_code: str = "en") -> template_pb2.Template:
    stub = await business.stub()
    response = await stub.GetTemplate(
        pb.GetTemplateRequest(
            business_id=str(business.business_id),
            name=pb.TemplateName(name=name, language_code=language_code),
        )
    )
    template: template_pb2.Template = response.template
    return template


async def test_a_new_wording_takes_the_place_of_the_old_one_once_it_is_approved(
    business: Business,
) -> None:
    old = await business.submit(BODY, EXAMPLES)
    assert await get(business, "order_news") == old
    await business.submit(OFFER)  # rejected
    assert await get(business, "order_news") == old
    new = await business.submit("Dear {{name}}, order {{order}} is on its way.", EXAMPLES)
    assert await get(business, "order_news") == new
    # The edge asks for whomever it serves.
    edge = await business.replica.service()
    asked = pb.GetTemplateRequest(
        business_id=str(business.business_id), template_id=old.template_id
    )
    assert (await edge.GetTemplate(asked)).template == old


async def test_what_is_not_there_and_what_is_not_theirs_are_both_unknown(
    business: Business,
) -> None:
    template = await business.submit(BODY, EXAMPLES)
    other = Business(business.replica)
    stub = await other.stub()
    for call in (
        get(business, "nothing"),
        get(business, "order_news", "ar"),
        get(other, "order_news"),
        stub.GetTemplate(
            pb.GetTemplateRequest(
                business_id=str(other.business_id), template_id=template.template_id
            )
        ),
        stub.GetTemplate(
            pb.GetTemplateRequest(business_id=str(other.business_id), template_id=str(uuid4()))
        ),
    ):
        assert (await refusal_of(call)).reason.name == "UNKNOWN_TEMPLATE"
    refusal = await refusal_of(
        stub.GetTemplate(
            pb.GetTemplateRequest(
                business_id=str(business.business_id), template_id=template.template_id
            )
        )
    )
    assert refusal.reason.name == "CALLER_NOT_ALLOWED"


async def test_templates_are_listed_by_pages_newest_first(business: Business) -> None:
    submitted = [
        await business.submit(BODY, EXAMPLES, name=f"news_{number}") for number in range(5)
    ]
    stub = await business.stub()
    listed: list[template_pb2.Template] = []
    page_token = ""
    for size in (2, 2, 1):
        response = await stub.ListTemplates(
            pb.ListTemplatesRequest(
                business_id=str(business.business_id), page_size=2, page_token=page_token
            )
        )
        assert len(response.templates) == size
        listed += response.templates
        page_token = response.next_page_token
    assert page_token == ""
    assert listed == submitted[::-1]
    for nonsense in ("x", "-1", "٣", "9" * 30):
        refusal = await refusal_of(
            stub.ListTemplates(
                pb.ListTemplatesRequest(business_id=str(business.business_id), page_token=nonsense)
            )
        )
        assert refusal.reason.name == "INVALID_FIELD"
