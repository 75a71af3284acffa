"""ScreenMessages: templates filled in well, badly, and with words of their own."""

from typing import Any
from uuid import uuid4

import pytest

from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.policy.v1 import policy_service_pb2 as pb
from tests.policy.parties import (
    MARKETING,
    OFFER,
    TEMPLATE,
    UTILITY,
    Business,
    Person,
    codes,
    filled_in,
)


async def test_a_template_goes_with_its_parameters(business: Business, person: Person) -> None:
    template = await business.submit(
        "Hello {{name}}, your order {{order}} has left and arrives on {{day}}.",
        {"name": "Layla", "order": "90213", "day": "Tuesday"},
    )
    item = business.use(person, template, name="Nour Haddad", order="77120", day="Sunday 4 May")
    allowed = await business.allowed(item)
    assert allowed.category == UTILITY
    clearance = clearance_pb2.Clearance.FromString(allowed.clearance.clearance)
    assert clearance.template_id == template.template_id


@pytest.mark.parametrize(
    "value",
    [
        "Layla! MEGA SALE, 70% off everything in store this weekend, shop now and save big",
        "Layla\nYour parcel",
        "Layla http://win-prize.top/claim",
        "Layla " * 40,
    ],
)
async def test_a_parameter_must_not_speak(business: Business, person: Person, value: str) -> None:
    template = await business.submit(
        "Hello {{name}}, your order {{order}} has left our warehouse.",
        {"name": "Layla", "order": "90213"},
    )
    evidence = await business.blocked(business.use(person, template, name=value, order="1"))
    assert codes(evidence)[0] == "PARAMETER_ABUSE"


async def test_a_link_is_welcome_where_the_example_has_one(
    business: Business, person: Person
) -> None:
    template = await business.submit(
        "Thank you for order {{number}}. Your invoice is here: {{link}}",
        {"number": "90213", "link": "https://shop.example.com/invoices/90213"},
    )
    await business.allowed(
        business.use(person, template, number="5", link="https://shop.example.com/invoices/5")
    )


async def test_templates_that_are_not_theirs_or_not_filled_in_well(
    business: Business, person: Person
) -> None:
    template = await business.submit(
        "Your order {{order}} has left our warehouse.", {"order": "90213"}
    )
    good = filled_in(template, order="5")
    other = Business(business.replica)
    assert await other.refused(other.item(person, good, TEMPLATE)) == "UNKNOWN_TEMPLATE"

    def changed(**fields: Any) -> pb.ScreenItem:
        content = content_pb2.Content()
        content.CopyFrom(good)
        for name, value in fields.items():
            setattr(content.template, name, value)
        return business.item(person, content, TEMPLATE)

    assert await business.refused(changed(template_id=str(uuid4()))) == "UNKNOWN_TEMPLATE"
    assert await business.refused(changed(name="other")) == "UNKNOWN_TEMPLATE"
    assert await business.refused(changed(template_id="7")) == "CONTENT_MALFORMED"
    assert await business.refused(changed(rendered=OFFER)) == "CONTENT_MALFORMED"
    assert await business.refused(business.use(person, template)) == "PARAMETER_MISSING"
    extra = business.use(person, template, order="5", colour="blue")
    assert await business.refused(extra) == "PARAMETER_UNKNOWN"
    with_button = filled_in(template, order="5")
    with_button.template.buttons.add(choice_id="1", label="70% off")
    assert await business.refused(business.item(person, with_button, TEMPLATE)) == (
        "CONTENT_MALFORMED"
    )


async def test_a_marketing_template_needs_consent(business: Business, person: Person) -> None:
    template = await business.submit(
        "Dear {{name}}, this week everything in store is 30% cheaper. Come and see!",
        {"name": "Layla"},
        category=MARKETING,
        name="weekly_offer",
    )
    item = business.use(person, template, name="Nour")
    assert codes(await business.blocked(item)) == ["NO_MARKETING_CONSENT"]
    device = await person.device()
    await device.GrantConsent(pb.GrantConsentRequest(business_id=str(business.business_id)))
    again = business.use(person, template, name="Nour")
    assert (await business.allowed(again)).category == MARKETING


async def test_a_rejected_template_cannot_be_sent(business: Business, person: Person) -> None:
    template = await business.submit(OFFER + " Dear {{name}}.", {"name": "Layla"})
    item = business.use(person, template, name="Nour")
    assert await business.refused(item) == "TEMPLATE_REJECTED"
