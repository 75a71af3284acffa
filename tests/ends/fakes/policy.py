"""A policy in memory: signs clearances for whatever a test does not want stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc

from hudhud.clearance.v1 import clearance_pb2
from hudhud.policy.v1 import appeal_pb2, evidence_pb2, template_pb2, verification_key_pb2
from hudhud.policy.v1 import policy_service_pb2 as pb
from hudhud.policy.v1.policy_service_pb2_grpc import PolicyServiceServicer
from services.ends.sealing.clearances import CLEARANCE_DOMAIN
from services.ends.sealing.commitments import opens
from services.kit.clock import Clock
from services.kit.errors import Refusal, received_reason
from services.kit.signing import SigningKey
from tests.ends.fakes.troubles import Troubles

BLOCKED_WORD = "sale"


class FakePolicyServicer(PolicyServiceServicer):
    """Blocks what contains BLOCKED_WORD; knows the templates that a test puts into `templates`."""

    def __init__(self, clock: Clock) -> None:
        self.troubles = Troubles()
        self.key = SigningKey.generate()
        self.templates: dict[tuple[str, str, str], template_pb2.Template] = {}
        self.screened: list[pb.ScreenItem] = []
        self.reports: list[pb.ReportMessageRequest] = []
        self.appeals: dict[tuple[str, str], appeal_pb2.Appeal] = {}
        self._clock = clock
        self._commitments: dict[str, bytes] = {}

    async def ListVerificationKeys(self, request: Any, context: Any) -> Any:
        key = verification_key_pb2.VerificationKey(
            key_id=self.key.key_id, ed25519_key=self.key.public_bytes
        )
        return verification_key_pb2.ListVerificationKeysResponse(keys=[key])

    async def GetTemplate(self, request: Any, context: Any) -> Any:
        self.troubles.begin("GetTemplate")
        key = (request.business_id, request.name.name, request.name.language_code)
        if key not in self.templates:
            raise refused("UNKNOWN_TEMPLATE", grpc.StatusCode.NOT_FOUND)
        return pb.GetTemplateResponse(template=self.templates[key])

    async def ScreenMessages(self, request: Any, context: Any) -> Any:
        self.troubles.begin("ScreenMessages")
        self.screened.extend(request.items)
        return pb.ScreenMessagesResponse(outcomes=[self._screen(item) for item in request.items])

    async def AppealRefusal(self, request: Any, context: Any) -> Any:
        if request.item not in self.screened:
            raise refused("NOT_BLOCKED", grpc.StatusCode.FAILED_PRECONDITION)
        key = (request.item.business_id, request.item.message_id)
        self.appeals[key] = appeal_pb2.Appeal(state=appeal_pb2.Appeal.STATE_WAITING)
        return pb.AppealRefusalResponse(appeal=self.appeals[key])

    async def GetAppeal(self, request: Any, context: Any) -> Any:
        key = (request.business_id, request.message_id)
        if key not in self.appeals:
            raise refused("APPEAL_NOT_FOUND", grpc.StatusCode.NOT_FOUND)
        return pb.GetAppealResponse(appeal=self.appeals[key])

    async def ReportMessage(self, request: Any, context: Any) -> Any:
        self.reports.append(request)
        return pb.ReportMessageResponse()

    def clear(self, item: pb.ScreenItem) -> clearance_pb2.SignedClearance:
        """A permission for this message."""
        clearance = clearance_pb2.Clearance(
            message_id=item.message_id,
            business_id=item.business_id,
            contact_id=item.contact_id,
            kind=item.kind,
            category=item.category or clearance_pb2.CATEGORY_UTILITY,
            screening=clearance_pb2.SCREENING_PLATFORM,
            commitment=item.commitment,
        )
        clearance.expire_time.FromDatetime(self._clock.now() + timedelta(minutes=10))
        return self.sign(clearance)

    def sign(self, clearance: clearance_pb2.Clearance) -> clearance_pb2.SignedClearance:
        """Whatever it is, as policy would sign it."""
        data = clearance.SerializeToString()
        return clearance_pb2.SignedClearance(
            clearance=data,
            key_id=self.key.key_id,
            signature=self.key.sign(CLEARANCE_DOMAIN, data),
        )

    def _screen(self, item: pb.ScreenItem) -> pb.ScreenOutcome:
        assert opens(item.commitment, item.content, item.franking_key)
        known = self._commitments.setdefault(item.message_id, item.commitment)
        if known != item.commitment:
            refusal = refused("MESSAGE_ID_REUSED", grpc.StatusCode.ALREADY_EXISTS)
            return pb.ScreenOutcome(refusal=refusal.to_proto())
        if BLOCKED_WORD.encode() in item.content:
            evidence = evidence_pb2.Evidence(
                code=evidence_pb2.Evidence.CODE_PROMOTIONAL_CONTENT, message="It promotes."
            )
            return pb.ScreenOutcome(blocked=pb.Blocked(evidence=[evidence]))
        clearance = self.clear(item)
        category = clearance_pb2.Clearance.FromString(clearance.clearance).category
        return pb.ScreenOutcome(allowed=pb.Allowed(clearance=clearance, category=category))


def refused(name: str, status: grpc.StatusCode) -> Refusal:
    """A refusal in policy's name."""
    return Refusal(received_reason(name, "policy.hudhud", status.value[0]), f"{name}.")
