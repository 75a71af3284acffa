"""Owns ReportMessage."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from hudhud.policy.v1 import policy_service_pb2
from ml.normalise import normalised_key
from services.kit.clock import new_id
from services.kit.database import Connection, Database
from services.kit.errors import Refusal
from services.kit.pairwise import PairwiseIds
from services.policy.clearances import Clearances
from services.policy.contents import commits, parse, text_of
from services.policy.domain.labels import (
    PERIOD,
    REPORTS_ABOUT_A_BUSINESS_MAX,
    REPORTS_OF_A_PERSON_MAX,
    Kind,
    Label,
    LabelEntry,
    State,
    name_of_business,
    name_of_person,
)
from services.policy.domain.messages import MessageKey
from services.policy.errors import PolicyReasons
from services.policy.store import labels, reports, verdicts
from services.policy.store.reports import Report

_LABELS: Final[dict[int, Label]] = {
    policy_service_pb2.ReportMessageRequest.REASON_PROMOTION: Label.PROMOTIONAL,
    policy_service_pb2.ReportMessageRequest.REASON_SCAM: Label.SCAM,
}
# The scope of the names under which people's reports are kept: no business's.
_PEOPLE: Final = UUID(int=0)


async def report_message(
    database: Database,
    clearances: Clearances,
    pairwise: PairwiseIds,
    request: policy_service_pb2.ReportMessageRequest,
    person_id: UUID,
    device_id: UUID,
    now: datetime,
) -> None:
    """Keep a message that the person did not want, once it is proven that this is what policy
    cleared for them. The clearance may have expired long ago.

    Refuses with CLEARANCE_INVALID and COMMITMENT_MISMATCH.
    """
    clearance = clearances.read(request.clearance)
    if clearance is None:
        raise Refusal(PolicyReasons.CLEARANCE_INVALID)
    key = MessageKey(UUID(clearance.business_id), UUID(clearance.message_id))
    contact = pairwise.open(key.business_id, clearance.contact_id)
    if contact is None or contact[0] != person_id:
        raise Refusal(
            PolicyReasons.CLEARANCE_INVALID, "The clearance is for a message to somebody else."
        )
    if not commits(clearance.commitment, request.franking_key, request.content):
        raise Refusal(
            PolicyReasons.COMMITMENT_MISMATCH, "This is not what the clearance was given for."
        )
    report = Report(
        key,
        person_id,
        device_id,
        int(request.reason),
        request.clearance.SerializeToString(deterministic=True),
        request.content,
        request.franking_key,
    )
    name = name_of_person(pairwise.seal(_PEOPLE, person_id, "xx"))
    async with database.transaction("report_message") as connection:
        if await reports.insert(connection, report, now):
            await _learn(connection, report, name, now)


async def _learn(connection: Connection, report: Report, name: str, now: datetime) -> None:
    """Keep what the report says of the message for reviewers and for training, unless this person,
    or everybody about this business, says more than a reviewer could read.
    """
    label = _LABELS.get(report.reason)
    text = _text(report.content)
    if label is None or not text:
        return
    # In this order everywhere, so that two reports do not wait for one another.
    await labels.lock_speaker(connection, name_of_business(report.key.business_id))
    await labels.lock_speaker(connection, name)
    since = now - PERIOD
    if (
        await labels.count_said(connection, name, Kind.REPORT, since) >= REPORTS_OF_A_PERSON_MAX
        or await labels.count_reports_about(connection, report.key.business_id, since)
        >= REPORTS_ABOUT_A_BUSINESS_MAX
    ):
        return
    wording = normalised_key(text)
    decided = await labels.last_review(connection, wording)
    verdict = (await verdicts.get(connection, [report.key])).get(report.key)
    await labels.insert(
        connection,
        LabelEntry(
            new_id(),
            Kind.REPORT,
            now,
            name,
            State.WAITING if decided is None else State.STANDING,
            report.key.business_id,
            report.key.message_id,
            text,
            wording,
            label,
            verdict.model_version if verdict else "",
        ),
    )


def _text(content: bytes) -> str:
    """What the message says; empty where this release cannot read it."""
    try:
        return text_of(parse(content))
    except Refusal:
        return ""
