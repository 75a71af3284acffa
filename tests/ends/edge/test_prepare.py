"""From what a program says to what can be screened: kinds, recipients, templates, commitments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from hudhud.content.v1 import content_pb2
from services.ends.edge.actions.prepare import Preparer, check_kind
from services.ends.edge.contacts import Contacts
from services.ends.edge.domain import (
    BlockedBy,
    Category,
    Clearance,
    Kind,
    Outgoing,
    Prepared,
    Segment,
    TemplateCall,
    Wording,
)
from services.ends.edge.wordings import Wordings, fill_in
from services.ends.sealing.commitments import opens
from services.kit.clock import ManualClock
from services.kit.errors import Refusal
from tests.ends.fakes.identity import FakeIdentity, Person
from tests.ends.fakes.policy import refused
from tests.ends.fakes.troubles import away

BUSINESS_ID = "01931b60-0000-7000-8000-00000000000b"
PERSON = Person("+963944123456")
CALL = TemplateCall("receipt", "ar", {"name": "ليلى", "amount": "18"})
WORDING = Wording(
    "t1",
    (Segment("", "name"), Segment(": ", ""), Segment("", "amount")),
    frozenset({"name", "amount"}),
    (content_pb2.Button(label="نعم", choice_id="yes").SerializeToString(),),
)
DIRECT = Outgoing(
    message_id="01931b60-0000-7000-8000-000000000001",
    business_id=BUSINESS_ID,
    phone_number=PERSON.phone_number,
    contact_id="",
    kind=Kind.DIRECT,
    category=Category.UTILITY,
    content=b"content",
    template=None,
    reply_to_message_id="",
    time_to_live=None,
)
TEMPLATE = replace(
    DIRECT, kind=Kind.TEMPLATE, category=Category.UNSPECIFIED, content=b"", template=CALL
)


class Policy:
    """Knows one wording."""

    def __init__(self) -> None:
        self.asked = 0

    async def find_wording(self, business_id: str, name: str, language_code: str) -> Wording:
        self.asked += 1
        if (business_id, name, language_code) != (BUSINESS_ID, CALL.name, CALL.language_code):
            raise refused("UNKNOWN_TEMPLATE", away().reason.status)
        return WORDING

    async def screen(self, messages: Sequence[Prepared]) -> list[Clearance | BlockedBy | Refusal]:
        raise NotImplementedError


class House:
    """A preparer and what it asks."""

    def __init__(self, identity: FakeIdentity) -> None:
        identity.people[PERSON.phone_number] = PERSON
        self.identity = identity
        self.policy = Policy()
        clock = ManualClock()
        contacts = Contacts(identity, clock, 60)
        self.preparer = Preparer(contacts, Wordings(self.policy, clock, 30), bytes(32))

    async def prepare(self, message: Outgoing) -> Prepared:
        [prepared] = await self.preparer.prepare([message])
        if isinstance(prepared, Refusal):
            raise prepared
        return prepared


@pytest.fixture
def house(identity: FakeIdentity) -> House:
    return House(identity)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (replace(DIRECT, kind=Kind.TEMPLATE), "KIND_CONTENT_MISMATCH"),
        (replace(TEMPLATE, kind=Kind.DIRECT), "KIND_CONTENT_MISMATCH"),
        (replace(TEMPLATE, kind=Kind.REPLY), "KIND_CONTENT_MISMATCH"),
        (replace(DIRECT, category=Category.UNSPECIFIED), "CATEGORY_REQUIRED"),
        (replace(DIRECT, category=Category.SERVICE), "CATEGORY_REQUIRED"),
        (replace(DIRECT, kind=Kind.REPLY), "CATEGORY_NOT_ALLOWED"),
        (replace(TEMPLATE, category=Category.UTILITY), "CATEGORY_NOT_ALLOWED"),
    ],
)
def test_kind_category_and_content_that_do_not_go_together(message: Outgoing, reason: str) -> None:
    with pytest.raises(Refusal) as refusal:
        check_kind(message)
    assert refusal.value.reason.name == reason


@pytest.mark.parametrize(
    "message",
    [DIRECT, TEMPLATE, replace(DIRECT, kind=Kind.REPLY, category=Category.UNSPECIFIED)],
)
def test_those_that_do(message: Outgoing) -> None:
    check_kind(message)


async def test_the_commitment_is_to_the_content_and_the_same_again(house: House) -> None:
    first = await house.prepare(DIRECT)
    assert first.contact_id == house.identity.contact_id(BUSINESS_ID, PERSON)
    assert opens(first.commitment, b"content", first.franking_key)
    assert await house.prepare(DIRECT) == first
    other_business = replace(DIRECT, business_id=DIRECT.message_id)
    for other in (replace(DIRECT, content=b"contents"), other_business):
        assert (await house.prepare(other)).franking_key != first.franking_key


def test_the_order_of_parameters_makes_no_other_message() -> None:
    names = [f"p{number}" for number in range(32)]
    wording = Wording("t", (), frozenset(names), ())
    contents = {
        fill_in(wording, TemplateCall("many", "en", dict.fromkeys(order, "x")), "")
        for order in (names, names[::-1], sorted(names, key=hash))
    }
    assert len(contents) == 1


async def test_a_template_is_rendered_in_the_same_bytes_every_time(house: House) -> None:
    first = await house.prepare(TEMPLATE)
    turned = TemplateCall("receipt", "ar", dict(reversed(CALL.parameters.items())))
    assert (await house.prepare(replace(TEMPLATE, template=turned))).content == first.content
    content = content_pb2.Content.FromString(first.content)
    assert content.template.rendered == "ليلى: 18"
    assert content.template.template_id == "t1"
    assert [button.label for button in content.template.buttons] == ["نعم"]
    assert house.policy.asked == 1


@pytest.mark.parametrize(
    ("parameters", "reason", "named"),
    [
        ({"name": "ليلى"}, "PARAMETER_MISSING", "amount"),
        ({}, "PARAMETER_MISSING", "amount, name"),
        ({**CALL.parameters, "coupon": "X", "code": "Y"}, "PARAMETER_UNKNOWN", "code, coupon"),
    ],
)
def test_parameters_too_few_or_too_many(
    parameters: dict[str, str], reason: str, named: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        fill_in(WORDING, TemplateCall("receipt", "ar", parameters), "")
    assert refusal.value.reason.name == reason
    assert refusal.value.metadata["parameters"] == named


async def test_each_message_of_a_batch_has_its_own_refusal(house: House) -> None:
    messages = [
        DIRECT,
        replace(DIRECT, phone_number="+963933000000"),
        replace(DIRECT, phone_number=""),
        replace(TEMPLATE, template=TemplateCall("unknown", "ar", {})),
        replace(DIRECT, kind=Kind.REPLY),
        TEMPLATE,
    ]
    prepared = await house.preparer.prepare(messages)
    assert [one.reason.name if isinstance(one, Refusal) else one.kind.name for one in prepared] == [
        "DIRECT",
        "UNKNOWN_PERSON",
        "UNKNOWN_PERSON",
        "UNKNOWN_TEMPLATE",
        "CATEGORY_NOT_ALLOWED",
        "TEMPLATE",
    ]


async def test_with_identity_away_only_numbers_that_nobody_remembers_are_refused(
    house: House,
) -> None:
    await house.prepare(DIRECT)
    house.identity.troubles.refusals["ResolveContacts"] = away()
    new = Person("+963955000000")
    house.identity.people[new.phone_number] = new
    known, unknown = await house.preparer.prepare(
        [DIRECT, replace(DIRECT, phone_number=new.phone_number)]
    )
    assert isinstance(known, Prepared)
    assert isinstance(unknown, Refusal)
    assert unknown.reason.name == "DEPENDENCY_UNAVAILABLE"
