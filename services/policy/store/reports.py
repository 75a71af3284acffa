"""Owns the rows of reports: messages that people handed over, with their proof."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.kit.database import Connection
from services.policy.domain.messages import MessageKey


@dataclass(frozen=True, slots=True)
class Report:
    """A message as it was reported."""

    key: MessageKey
    person_id: UUID
    device_id: UUID
    reason: int
    clearance: bytes  # serialized hudhud.clearance.v1.SignedClearance
    content: bytes = field(repr=False)
    franking_key: bytes = field(repr=False)


async def insert(connection: Connection, report: Report, now: datetime) -> bool:
    """Whether it was inserted: the same person's second report of a message changes nothing."""
    status = await connection.execute(
        """
        INSERT INTO reports (
            business_id, message_id, person_id, device_id, reason, clearance, content, franking_key,
            report_time
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (business_id, message_id, person_id) DO NOTHING
        """,
        report.key.business_id,
        report.key.message_id,
        report.person_id,
        report.device_id,
        report.reason,
        report.clearance,
        report.content,
        report.franking_key,
        now,
    )
    return status == "INSERT 0 1"


async def count(connection: Connection, business_id: UUID, since: datetime) -> int:
    """How many messages of a business were reported since then."""
    number: int = await connection.fetchval(
        "SELECT count(*) FROM reports WHERE business_id = $1 AND report_time > $2",
        business_id,
        since,
    )
    return number


async def delete(connection: Connection, key: MessageKey) -> None:
    """Forget that a message was reported."""
    await connection.execute(
        "DELETE FROM reports WHERE business_id = $1 AND message_id = $2",
        key.business_id,
        key.message_id,
    )


async def sweep(connection: Connection, before: datetime) -> None:
    """Forget reports from before."""
    await connection.execute("DELETE FROM reports WHERE report_time < $1", before)
