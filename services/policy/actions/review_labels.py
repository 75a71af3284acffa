"""Owns ReviewLabels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.kit.database import Connection, Database
from services.policy.domain.labels import Kind, Label, LabelEntry, State
from services.policy.store import labels


@dataclass(frozen=True, slots=True)
class Review:
    """What a reviewer decided about an entry."""

    entry_id: UUID
    of_entry_id: UUID
    label: Label
    reviewer: str
    reason: str = field(repr=False)


async def review_labels(
    database: Database, reviews: Sequence[Review], now: datetime
) -> tuple[int, list[UUID]]:
    """How many reviews are new, and which are about an entry that is not there or was withdrawn."""
    created = 0
    unknown = []
    sound = []
    async with database.transaction("review_labels") as connection:
        about = await labels.get(connection, [review.of_entry_id for review in reviews])
        for review in reviews:
            entry = about.get(review.of_entry_id)
            if entry is None or not entry.wording or entry.state is State.WITHDRAWN:
                unknown.append(review.entry_id)
            else:
                sound.append((review, entry))
        # In the order of the wording, so that two reviewers do not deadlock; of two decisions about
        # the same, the later stays the later.
        for review, entry in sorted(sound, key=lambda pair: pair[1].wording):
            created += await _decide(connection, review, entry, now)
    return created, unknown


async def _decide(connection: Connection, review: Review, entry: LabelEntry, now: datetime) -> bool:
    created = await labels.insert(
        connection,
        LabelEntry(
            review.entry_id,
            Kind.REVIEW,
            now,
            review.reviewer,
            State.STANDING,
            entry.business_id,
            entry.message_id,
            wording=entry.wording,
            label=review.label,
            model_version=entry.model_version,
            blocked=entry.blocked,
            of_entry_id=entry.entry_id,
            reason=review.reason,
        ),
    )
    await labels.settle(connection, entry.wording)
    return created
