"""AppealMessage and GetAppeal: the message that was blocked is shown to policy as it was."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from hudhud.edge.v1 import edge_service_pb2 as pb
from hudhud.policy.v1 import appeal_pb2
from services.kit.errors import Refusal
from tests.ends.edge.house import House, direct, send
from tests.ends.fakes.policy import BLOCKED_WORD
from tests.ends.handset import Handset


async def test_a_blocked_message_is_appealed_as_it_was(house: House, townsman: Handset) -> None:
    business_id = str(uuid4())
    stub = await house.business(business_id)
    message = direct(townsman, f"A {BLOCKED_WORD} contract is ready to be signed.")
    assert (await send(stub, message)).HasField("blocked")
    with pytest.raises(Refusal, match="APPEAL_NOT_FOUND"):
        await stub.GetAppeal(pb.GetAppealRequest(message_id=message.message_id))
    # By the id of the contact or by the number: it is the same message.
    by_contact = pb.OutgoingMessage()
    by_contact.CopyFrom(message)
    by_contact.contact_id = townsman.contact_id(business_id)
    for same in (message, by_contact):
        answer = await stub.AppealMessage(
            pb.AppealMessageRequest(message=same, statement="No offer.")
        )
        assert answer.appeal.state == appeal_pb2.Appeal.STATE_WAITING
    told = await stub.GetAppeal(pb.GetAppealRequest(message_id=message.message_id))
    assert told.appeal.state == appeal_pb2.Appeal.STATE_WAITING
    other = await house.business(str(uuid4()))
    with pytest.raises(Refusal, match="APPEAL_NOT_FOUND"):
        await other.GetAppeal(pb.GetAppealRequest(message_id=message.message_id))


async def test_another_message_is_not_appealed(house: House, townsman: Handset) -> None:
    stub = await house.business(str(uuid4()))
    message = direct(townsman, f"A {BLOCKED_WORD} contract is ready to be signed.")
    await send(stub, message)
    message.content.text.body += " Today."
    with pytest.raises(Refusal, match="NOT_BLOCKED"):
        await stub.AppealMessage(pb.AppealMessageRequest(message=message))


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("AppealMessage", pb.AppealMessageRequest()),
        ("AppealMessage", pb.AppealMessageRequest(message=pb.OutgoingMessage(message_id="x"))),
        ("GetAppeal", pb.GetAppealRequest(message_id="x")),
    ],
)
async def test_what_makes_no_sense_is_refused(house: House, method: str, request_: Any) -> None:
    stub = await house.business(str(uuid4()))
    with pytest.raises(Refusal, match="INVALID_FIELD"):
        await getattr(stub, method)(request_)
