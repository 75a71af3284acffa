"""Owns the forms on the wire of what policy knows."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from hudhud.content.v1 import content_pb2
from hudhud.policy.v1 import evidence_pb2, policy_service_pb2, template_pb2
from services.kit.errors import Refusal
from services.policy.actions.screen_messages import Outcome
from services.policy.clearances import Cleared
from services.policy.domain.evidence import Evidence
from services.policy.domain.messages import Decided
from services.policy.domain.sentences import sentence
from services.policy.domain.wordings import Template


def timestamp(time: datetime) -> Timestamp:
    """A time."""
    proto = Timestamp()
    proto.FromDatetime(time)
    return proto


def evidence(value: Evidence) -> evidence_pb2.Evidence:
    """What was found, with the sentence that tells it."""
    return evidence_pb2.Evidence(
        code=int(value.code),
        message=sentence(value),
        spans=[evidence_pb2.Span(start=span.start, end=span.end) for span in value.spans],
        witness=value.witness,
    )


def outcome(value: Outcome | Refusal) -> policy_service_pb2.ScreenOutcome:
    """What became of one message."""
    if isinstance(value, Cleared):
        return policy_service_pb2.ScreenOutcome(
            allowed=policy_service_pb2.Allowed(
                clearance=value.clearance,
                category=int(value.category),
            )
        )
    if isinstance(value, Refusal):
        return policy_service_pb2.ScreenOutcome(refusal=value.to_proto())
    return policy_service_pb2.ScreenOutcome(
        blocked=policy_service_pb2.Blocked(evidence=[evidence(each) for each in value])
    )


def template(value: Template) -> template_pb2.Template:
    """A wording as reviewed."""
    return template_pb2.Template(
        template_id=str(value.template_id),
        business_id=str(value.business_id),
        name=value.name,
        language_code=value.language_code,
        category=int(value.category),
        body=value.body,
        parameters=[
            template_pb2.TemplateParameter(name=name, example=value.examples[name])
            for name in value.wording.parameters
        ],
        buttons=[content_pb2.Button.FromString(button) for button in value.buttons],
        state=int(value.state),
        evidence=[evidence(each) for each in value.evidence],
        segments=[
            template_pb2.TemplateSegment(parameter=segment.parameter)
            if segment.parameter
            else template_pb2.TemplateSegment(literal=segment.literal)
            for segment in value.wording.segments
        ],
        create_time=timestamp(value.create_time),
    )


def preference(value: Decided) -> policy_service_pb2.Preference:
    """What a person decided about a business."""
    return policy_service_pb2.Preference(
        business_id=str(value.business_id),
        marketing_consent=value.preference.marketing_consent,
        blocked=value.preference.blocked,
        update_time=timestamp(value.update_time),
    )
