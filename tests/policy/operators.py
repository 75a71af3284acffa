"""What an operator does with models, in the tests of policy."""

from __future__ import annotations

from typing import Any

from hudhud.policy.v1 import model_service_pb2 as pb
from tests.policy.house import Replica
from tests.policy.releases import Release


async def upload(replica: Replica, release: Release, **changed: Any) -> pb.UploadModelResponse:
    models = await replica.models()
    answer: pb.UploadModelResponse = await models.UploadModel(release.frames(**changed))
    return answer


async def promote(replica: Replica, version: str) -> pb.PromoteModelResponse:
    models = await replica.models()
    answer: pb.PromoteModelResponse = await models.PromoteModel(
        pb.PromoteModelRequest(version=version), timeout=60
    )
    return answer


async def rollback(replica: Replica, version: str) -> pb.RollbackModelResponse:
    models = await replica.models()
    answer: pb.RollbackModelResponse = await models.RollbackModel(
        pb.RollbackModelRequest(version=version), timeout=60
    )
    return answer


async def history(replica: Replica) -> list[tuple[int, str]]:
    """What was done, newest first."""
    models = await replica.models()
    answer = await models.ListModelChanges(pb.ListModelChangesRequest())
    return [(change.kind, change.version) for change in answer.changes]


async def states(replica: Replica) -> dict[str, int]:
    """What each model does."""
    models = await replica.models()
    answer = await models.ListModels(pb.ListModelsRequest())
    return {model.version: model.state for model in answer.models}


async def replicas(replica: Replica) -> pb.ListReplicasResponse:
    """Which replicas run what."""
    models = await replica.models()
    answer: pb.ListReplicasResponse = await models.ListReplicas(pb.ListReplicasRequest())
    return answer
