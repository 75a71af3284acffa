"""Owns the translation between the calls of `LabelService` and policy's actions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from hudhud.policy.v1 import label_service_pb2 as pb
from hudhud.policy.v1 import label_service_pb2_grpc
from services.kit.clock import Clock
from services.kit.database import Database
from services.policy import label_wire as wire
from services.policy.actions.export_labels import export_labels
from services.policy.actions.list_waiting import list_waiting
from services.policy.actions.review_labels import Review, review_labels
from services.policy.actions.withdraw_labels import withdraw_labels
from services.policy.domain.labels import Kind, Label


class LabelServicer(label_service_pb2_grpc.LabelServiceServicer):
    """Answers operators, who alone may call."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListWaiting(
        self, request: pb.ListWaitingRequest, context: Any
    ) -> pb.ListWaitingResponse:
        kind = Kind(request.kind) if request.kind else None
        waiting, next_page_token = await list_waiting(
            self._database, kind, request.page_size, request.page_token
        )
        return pb.ListWaitingResponse(
            waiting=[
                pb.WaitingLabel(entry=wire.entry(entry), said_by_count=count)
                for entry, count in waiting
            ],
            next_page_token=next_page_token,
        )

    async def ReviewLabels(
        self, request: pb.ReviewLabelsRequest, context: Any
    ) -> pb.ReviewLabelsResponse:
        created, unknown = await review_labels(
            self._database,
            [
                Review(
                    UUID(review.entry_id),
                    UUID(review.of_entry_id),
                    Label(review.label),
                    review.reviewer,
                    review.reason,
                )
                for review in request.reviews
            ],
            self._clock.now(),
        )
        return pb.ReviewLabelsResponse(
            created_count=created, unknown_entry_ids=[str(entry_id) for entry_id in unknown]
        )

    async def WithdrawLabels(
        self, request: pb.WithdrawLabelsRequest, context: Any
    ) -> pb.WithdrawLabelsResponse:
        by_id = request.WhichOneof("said") == "entry_id"
        count = await withdraw_labels(
            self._database,
            UUID(request.entry_id) if by_id else None,
            None if by_id else request.said_by,
            request.reviewer,
            request.reason,
            self._clock.now(),
        )
        return pb.WithdrawLabelsResponse(withdrawn_count=count)

    async def ExportLabels(
        self, request: pb.ExportLabelsRequest, context: Any
    ) -> AsyncIterator[pb.ExportLabelsResponse]:
        async with aclosing(export_labels(self._database)) as some:
            async for entries in some:
                yield pb.ExportLabelsResponse(entries=[wire.entry(entry) for entry in entries])
