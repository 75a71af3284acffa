"""Owns ReportMessage."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hudhud.policy.v1 import policy_service_pb2
from services.kit.database import Database
from services.kit.errors import Refusal
from services.kit.pairwise import PairwiseIds
from services.policy.clearances import Clearances
from services.policy.contents import commits
from services.policy.domain.messages import MessageKey
from services.policy.errors import PolicyReasons
from services.policy.store import reports
from services.policy.store.reports import Report


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
    async with database.transaction("report_message") as connection:
        await reports.insert(connection, report, now)
