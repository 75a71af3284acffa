"""Owns WithdrawLabels."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.kit.clock import new_id
from services.kit.database import Connection, Database
from services.policy.domain.labels import Kind, LabelEntry, State
from services.policy.domain.messages import MessageKey
from services.policy.store import labels, reports


async def withdraw_labels(
    database: Database,
    entry_id: UUID | None,
    said_by: str | None,
    reviewer: str,
    reason: str,
    now: datetime,
) -> int:
    """How many entries were withdrawn now: this one, or all that somebody said."""
    async with database.transaction("withdraw_labels") as connection:
        withdrawn = await labels.withdraw(connection, entry_id, said_by)
        for entry in withdrawn:
            await _undo(connection, entry)
            await labels.insert(
                connection,
                LabelEntry(
                    new_id(),
                    Kind.WITHDRAWAL,
                    now,
                    reviewer,
                    State.STANDING,
                    of_entry_id=entry.entry_id,
                    reason=reason,
                ),
            )
    return len(withdrawn)


async def _undo(connection: Connection, entry: LabelEntry) -> None:
    """What followed from it: the proof of a report, the end of waiting by a review."""
    if entry.kind is Kind.REPORT and entry.business_id and entry.message_id:
        await reports.delete(connection, MessageKey(entry.business_id, entry.message_id))
    if entry.kind is Kind.REVIEW:
        await labels.unsettle(connection, entry.wording)
