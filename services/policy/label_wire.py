"""Owns the forms on the wire of what people say about messages."""

from __future__ import annotations

from hudhud.policy.v1 import appeal_pb2, label_service_pb2
from services.policy.domain.labels import Appeal, LabelEntry, name_of_business
from services.policy.wire import timestamp


def entry(value: LabelEntry) -> label_service_pb2.LabelEntry:
    """Something that was said."""
    return label_service_pb2.LabelEntry(
        entry_id=str(value.entry_id),
        kind=int(value.kind),
        create_time=timestamp(value.create_time),
        said_by=value.said_by,
        business=name_of_business(value.business_id) if value.business_id else "",
        text=value.text,
        label=0 if value.label is None else int(value.label),
        model_version=value.model_version,
        blocked=value.blocked,
        of_entry_id=str(value.of_entry_id) if value.of_entry_id else "",
        reason=value.reason,
    )


def appeal(value: Appeal) -> appeal_pb2.Appeal:
    """An appeal, with what a reviewer said to it."""
    review = value.review
    return appeal_pb2.Appeal(
        state=int(value.state),
        label=0 if review is None or review.label is None else int(review.label),
        reason="" if review is None else review.reason,
        create_time=timestamp(value.entry.create_time),
    )
