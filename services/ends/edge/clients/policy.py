"""Asks policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from hudhud.clearance.v1 import clearance_pb2
from hudhud.policy.v1 import (
    appeal_pb2,
    policy_service_pb2,
    policy_service_pb2_grpc,
    template_pb2,
)
from services.ends.edge.domain import (
    BlockedBy,
    Category,
    Clearance,
    Prepared,
    Segment,
    Wording,
)
from services.kit.client import Channel
from services.kit.errors import Refusal

RETRIED = ("hudhud.policy.v1.PolicyService",)


class PolicyClient:
    """The port Policy over gRPC."""

    def __init__(self, channel: Channel) -> None:
        stub: Any = policy_service_pb2_grpc.PolicyServiceStub
        self._stub = stub(channel)

    async def find_wording(self, business_id: str, name: str, language_code: str) -> Wording:
        response = await self._stub.GetTemplate(
            policy_service_pb2.GetTemplateRequest(
                business_id=business_id,
                name=policy_service_pb2.TemplateName(name=name, language_code=language_code),
            )
        )
        return wording_of(response.template)

    async def screen(self, messages: Sequence[Prepared]) -> list[Clearance | BlockedBy | Refusal]:
        response = await self._stub.ScreenMessages(
            policy_service_pb2.ScreenMessagesRequest(
                items=[item_of(message) for message in messages]
            )
        )
        return [verdict_of(outcome) for outcome in response.outcomes]

    async def appeal(self, message: Prepared, statement: str) -> appeal_pb2.Appeal:
        response = await self._stub.AppealRefusal(
            policy_service_pb2.AppealRefusalRequest(item=item_of(message), statement=statement)
        )
        return cast(appeal_pb2.Appeal, response.appeal)

    async def get_appeal(self, business_id: str, message_id: str) -> appeal_pb2.Appeal:
        response = await self._stub.GetAppeal(
            policy_service_pb2.GetAppealRequest(business_id=business_id, message_id=message_id)
        )
        return cast(appeal_pb2.Appeal, response.appeal)


def item_of(message: Prepared) -> policy_service_pb2.ScreenItem:
    """A message as policy reads it."""
    return policy_service_pb2.ScreenItem(
        message_id=message.message_id,
        business_id=message.business_id,
        contact_id=message.contact_id,
        kind=cast(clearance_pb2.Kind, message.kind),
        category=cast(clearance_pb2.Category, message.category),
        content=message.content,
        franking_key=message.franking_key,
        commitment=message.commitment,
    )


def verdict_of(outcome: policy_service_pb2.ScreenOutcome) -> Clearance | BlockedBy | Refusal:
    """What policy said of one message."""
    which = outcome.WhichOneof("outcome")
    if which == "allowed":
        return Clearance(
            outcome.allowed.clearance.SerializeToString(), Category(outcome.allowed.category)
        )
    if which == "blocked":
        return BlockedBy(
            tuple(evidence.SerializeToString() for evidence in outcome.blocked.evidence)
        )
    return Refusal.from_proto(outcome.refusal)


def wording_of(template: template_pb2.Template) -> Wording:
    """The wording of a template."""
    return Wording(
        template_id=template.template_id,
        segments=tuple(
            Segment(segment.literal, segment.parameter) for segment in template.segments
        ),
        parameters=frozenset(parameter.name for parameter in template.parameters),
        buttons=tuple(button.SerializeToString() for button in template.buttons),
    )
