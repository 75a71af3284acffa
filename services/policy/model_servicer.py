"""Owns the translation between the calls of `ModelService` and policy's actions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from hudhud.policy.v1 import model_service_pb2 as pb
from hudhud.policy.v1 import model_service_pb2_grpc
from services.kit.access import current_caller
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.errors import CommonReasons, Refusal, Violation
from services.kit.wakeups import Wakeups
from services.policy import model_wire as wire
from services.policy.actions.end_shadow import end_shadow
from services.policy.actions.get_model import get_model
from services.policy.actions.get_shadow_report import get_shadow_report
from services.policy.actions.list_model_changes import list_model_changes
from services.policy.actions.list_models import list_models
from services.policy.actions.list_replicas import list_replicas
from services.policy.actions.list_shadow_disagreements import list_shadow_disagreements
from services.policy.actions.promote_model import promote_model
from services.policy.actions.rollback_model import rollback_model
from services.policy.actions.shadow_model import shadow_model
from services.policy.actions.upload_model import upload_model
from services.policy.domain.models import Act
from services.policy.models import Models
from services.policy.switching import Switching


class ModelServicer(model_service_pb2_grpc.ModelServiceServicer):
    """Answers operators, who alone may call."""

    def __init__(self, database: Database, models: Models, wakeups: Wakeups, clock: Clock) -> None:
        self._database = database
        self._models = models
        self._wakeups = wakeups
        self._switching = Switching(database, wakeups)
        self._clock = clock

    async def UploadModel(
        self, requests: AsyncIterator[pb.UploadModelRequest], context: Any
    ) -> pb.UploadModelResponse:
        first = await anext(aiter(requests), None)
        if first is None or first.WhichOneof("part") != "manifest":
            raise _misplaced("manifest", "must be in the first frame")
        kept, state, created = await upload_model(
            self._database,
            self._models,
            first.manifest,
            _artifact(requests),
            self._act(first.note),
        )
        return pb.UploadModelResponse(model=wire.model(kept, state), created=created)

    async def ListModels(
        self, request: pb.ListModelsRequest, context: Any
    ) -> pb.ListModelsResponse:
        models, next_page_token = await list_models(
            self._database, request.page_size, request.page_token
        )
        return pb.ListModelsResponse(
            models=[wire.model(*each) for each in models], next_page_token=next_page_token
        )

    async def GetModel(self, request: pb.GetModelRequest, context: Any) -> pb.GetModelResponse:
        kept, state, manifest = await get_model(self._database, request.version)
        return pb.GetModelResponse(model=wire.model(kept, state), manifest=manifest)

    async def ListModelChanges(
        self, request: pb.ListModelChangesRequest, context: Any
    ) -> pb.ListModelChangesResponse:
        changes, next_page_token = await list_model_changes(
            self._database, request.page_size, request.page_token
        )
        return pb.ListModelChangesResponse(
            changes=[wire.change(change) for change in changes], next_page_token=next_page_token
        )

    async def ListReplicas(
        self, request: pb.ListReplicasRequest, context: Any
    ) -> pb.ListReplicasResponse:
        replicas, roles = await list_replicas(self._database)
        return pb.ListReplicasResponse(
            replicas=[wire.replica(replica) for replica in replicas],
            live_version=roles.live_version,
            shadow_version=roles.shadow_version,
        )

    async def ShadowModel(
        self, request: pb.ShadowModelRequest, context: Any
    ) -> pb.ShadowModelResponse:
        change = await shadow_model(
            self._database,
            self._wakeups,
            request.version,
            request.share_percent or 100,
            self._act(request.note),
        )
        return pb.ShadowModelResponse(change=wire.change(change))

    async def EndShadow(self, request: pb.EndShadowRequest, context: Any) -> pb.EndShadowResponse:
        version = await end_shadow(self._database, self._wakeups, self._act(request.note))
        return pb.EndShadowResponse(version=version)

    async def GetShadowReport(
        self, request: pb.GetShadowReportRequest, context: Any
    ) -> pb.GetShadowReportResponse:
        report = await get_shadow_report(self._database, request.version)
        return pb.GetShadowReportResponse(report=wire.shadow_report(report))

    async def ListShadowDisagreements(
        self, request: pb.ListShadowDisagreementsRequest, context: Any
    ) -> pb.ListShadowDisagreementsResponse:
        disagreements, next_page_token = await list_shadow_disagreements(
            self._database, request.version, request.page_size, request.page_token
        )
        return pb.ListShadowDisagreementsResponse(
            disagreements=[wire.disagreement(each) for each in disagreements],
            next_page_token=next_page_token,
        )

    async def PromoteModel(
        self, request: pb.PromoteModelRequest, context: Any
    ) -> pb.PromoteModelResponse:
        change, replicas = await promote_model(
            self._database, self._switching, request.version, self._act(request.note)
        )
        return pb.PromoteModelResponse(
            change=wire.change(change), replicas=[wire.replica(replica) for replica in replicas]
        )

    async def RollbackModel(
        self, request: pb.RollbackModelRequest, context: Any
    ) -> pb.RollbackModelResponse:
        change, replicas = await rollback_model(
            self._database, self._switching, request.version, self._act(request.note)
        )
        return pb.RollbackModelResponse(
            change=wire.change(change), replicas=[wire.replica(replica) for replica in replicas]
        )

    def _act(self, note: str) -> Act:
        return Act(current_caller().operator, note, self._clock.now())


async def _artifact(requests: AsyncIterator[pb.UploadModelRequest]) -> AsyncIterator[bytes]:
    async for request in requests:
        if request.WhichOneof("part") != "artifact":
            raise _misplaced("manifest", "must be in the first frame only")
        yield request.artifact


def _misplaced(field: str, description: str) -> Refusal:
    return Refusal(CommonReasons.INVALID_FIELD, violations=[Violation(field, description)])
