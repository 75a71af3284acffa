"""Owns the translation between the calls of `hudhud.policy.v1` and policy's actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hudhud.policy.v1 import policy_service_pb2 as pb
from hudhud.policy.v1 import policy_service_pb2_grpc, verification_key_pb2
from services.kit import rules
from services.kit.access import Caller, current_caller
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.errors import Refusal
from services.kit.pairwise import PairwiseIds
from services.policy import label_wire, wire
from services.policy.actions.appeal_refusal import appeal_refusal
from services.policy.actions.block_business import block_business
from services.policy.actions.get_appeal import get_appeal
from services.policy.actions.get_quality import get_quality
from services.policy.actions.get_template import get_template, get_template_in_force
from services.policy.actions.grant_consent import grant_consent
from services.policy.actions.list_preferences import list_preferences
from services.policy.actions.list_templates import list_templates
from services.policy.actions.list_verification_keys import list_verification_keys
from services.policy.actions.report_message import report_message
from services.policy.actions.screen_messages import ScreenMessages
from services.policy.actions.submit_template import submit_template
from services.policy.actions.unblock_business import unblock_business
from services.policy.actions.withdraw_consent import withdraw_consent
from services.policy.clearances import Clearances
from services.policy.contents import Reader, text_of_buttons
from services.policy.domain.messages import Category, Draft, Pair
from services.policy.domain.verdicts import Weights
from services.policy.models import Models


@dataclass(frozen=True)
class Parts:
    """What the actions stand on."""

    database: Database
    clock: Clock
    models: Models
    weights: Weights
    clearances: Clearances
    pairwise: PairwiseIds
    screen: ScreenMessages


class PolicyServicer(policy_service_pb2_grpc.PolicyServiceServicer):
    """Answers the calls. Who may make each is checked before, by `services/access.toml`; for whom,
    here.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._database = parts.database
        self._clock = parts.clock
        self._reader = Reader(parts.pairwise)

    async def SubmitTemplate(
        self, request: pb.SubmitTemplateRequest, context: Any
    ) -> pb.SubmitTemplateResponse:
        template = await submit_template(
            self._database,
            self._parts.models,
            self._parts.weights,
            request_id=UUID(request.request_id),
            business_id=_for_business(request.business_id),
            name=request.name,
            language_code=request.language_code,
            category=Category(request.category),
            body=request.body,
            examples=dict(request.examples),
            buttons=tuple(
                button.SerializeToString(deterministic=True) for button in request.buttons
            ),
            button_text=text_of_buttons(request.buttons),
            now=self._clock.now(),
        )
        return pb.SubmitTemplateResponse(template=wire.template(template))

    async def GetTemplate(
        self, request: pb.GetTemplateRequest, context: Any
    ) -> pb.GetTemplateResponse:
        business_id = _for_business(request.business_id)
        if request.WhichOneof("template") == "template_id":
            template = await get_template(self._database, business_id, UUID(request.template_id))
        else:
            template = await get_template_in_force(
                self._database, business_id, request.name.name, request.name.language_code
            )
        return pb.GetTemplateResponse(template=wire.template(template))

    async def ListTemplates(
        self, request: pb.ListTemplatesRequest, context: Any
    ) -> pb.ListTemplatesResponse:
        templates, next_page_token = await list_templates(
            self._database,
            _for_business(request.business_id),
            request.page_size,
            request.page_token,
        )
        return pb.ListTemplatesResponse(
            templates=[wire.template(template) for template in templates],
            next_page_token=next_page_token,
        )

    @rules.judged_apart("items")
    async def ScreenMessages(
        self, request: pb.ScreenMessagesRequest, context: Any
    ) -> pb.ScreenMessagesResponse:
        caller = current_caller()
        read = [self._draft(caller, item) for item in request.items]
        drafts = [draft for draft in read if isinstance(draft, Draft)]
        screened = iter(await self._parts.screen(drafts))
        response = pb.ScreenMessagesResponse()
        for draft in read:
            outcome = next(screened) if isinstance(draft, Draft) else draft
            if isinstance(outcome, Exception) and not isinstance(outcome, Refusal):
                raise outcome
            response.outcomes.append(wire.outcome(outcome))
        return response

    def _draft(self, caller: Caller, item: pb.ScreenItem) -> Draft | Refusal:
        if violations := rules.violations(item):
            return rules.refusal(violations)
        try:
            caller.must_act_for(item.business_id)
            return self._reader.draft(item)
        except Refusal as refusal:
            return refusal

    async def GrantConsent(
        self, request: pb.GrantConsentRequest, context: Any
    ) -> pb.GrantConsentResponse:
        person_id, device_id = _calling_device()
        pair = Pair(person_id, UUID(request.business_id))
        await grant_consent(self._database, pair, device_id, self._clock.now())
        return pb.GrantConsentResponse()

    async def WithdrawConsent(
        self, request: pb.WithdrawConsentRequest, context: Any
    ) -> pb.WithdrawConsentResponse:
        person_id, device_id = _calling_device()
        pair = Pair(person_id, UUID(request.business_id))
        await withdraw_consent(self._database, pair, device_id, self._clock.now())
        return pb.WithdrawConsentResponse()

    async def ListPreferences(
        self, request: pb.ListPreferencesRequest, context: Any
    ) -> pb.ListPreferencesResponse:
        person_id, _ = _calling_device()
        preferences, next_page_token = await list_preferences(
            self._database, person_id, request.page_size, request.page_token
        )
        return pb.ListPreferencesResponse(
            preferences=[wire.preference(preference) for preference in preferences],
            next_page_token=next_page_token,
        )

    async def BlockBusiness(
        self, request: pb.BlockBusinessRequest, context: Any
    ) -> pb.BlockBusinessResponse:
        person_id, device_id = _calling_device()
        pair = Pair(person_id, UUID(request.business_id))
        await block_business(self._database, pair, device_id, self._clock.now())
        return pb.BlockBusinessResponse()

    async def UnblockBusiness(
        self, request: pb.UnblockBusinessRequest, context: Any
    ) -> pb.UnblockBusinessResponse:
        person_id, device_id = _calling_device()
        pair = Pair(person_id, UUID(request.business_id))
        await unblock_business(self._database, pair, device_id, self._clock.now())
        return pb.UnblockBusinessResponse()

    async def ReportMessage(
        self, request: pb.ReportMessageRequest, context: Any
    ) -> pb.ReportMessageResponse:
        person_id, device_id = _calling_device()
        await report_message(
            self._database,
            self._parts.clearances,
            self._parts.pairwise,
            request,
            person_id,
            device_id,
            self._clock.now(),
        )
        return pb.ReportMessageResponse()

    async def AppealRefusal(
        self, request: pb.AppealRefusalRequest, context: Any
    ) -> pb.AppealRefusalResponse:
        _for_business(request.item.business_id)
        appeal = await appeal_refusal(
            self._database,
            self._reader.draft(request.item),
            request.statement,
            self._clock.now(),
        )
        return pb.AppealRefusalResponse(appeal=label_wire.appeal(appeal))

    async def GetAppeal(self, request: pb.GetAppealRequest, context: Any) -> pb.GetAppealResponse:
        appeal = await get_appeal(
            self._database, _for_business(request.business_id), UUID(request.message_id)
        )
        return pb.GetAppealResponse(appeal=label_wire.appeal(appeal))

    async def GetQuality(
        self, request: pb.GetQualityRequest, context: Any
    ) -> pb.GetQualityResponse:
        quality = await get_quality(
            self._database, _for_business(request.business_id), self._clock.now()
        )
        return pb.GetQualityResponse(
            screened_count=quality.counts.screened,
            blocked_count=quality.counts.blocked,
            delivered_count=quality.counts.delivered,
            refused_count=quality.counts.refused,
            reported_count=quality.reported,
        )

    async def ListVerificationKeys(
        self, request: verification_key_pb2.ListVerificationKeysRequest, context: Any
    ) -> verification_key_pb2.ListVerificationKeysResponse:
        keys = await list_verification_keys(self._parts.clearances)
        return verification_key_pb2.ListVerificationKeysResponse(
            keys=[
                verification_key_pb2.VerificationKey(
                    key_id=key.key_id, ed25519_key=key.public_bytes
                )
                for key in keys
            ]
        )


def _for_business(business_id: str) -> UUID:
    """The id, once it is sure that the caller may act for it."""
    current_caller().must_act_for(business_id)
    return UUID(business_id)


def _calling_device() -> tuple[UUID, UUID]:
    """The ids of the person and the device whose token came with the call."""
    caller = current_caller()
    assert caller.person_id is not None
    assert caller.device_id is not None
    return caller.person_id, caller.device_id
