"""Calls of ModelService that make no sense, or by those who may not make them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from hudhud.policy.v1 import model_service_pb2 as pb
from services.kit.errors import Refusal
from tests.policy.house import Replica

VERSION = "0123456789ab"
CALLS = [
    ("ListModels", pb.ListModelsRequest()),
    ("GetModel", pb.GetModelRequest(version=VERSION)),
    ("ListModelChanges", pb.ListModelChangesRequest()),
    ("ListReplicas", pb.ListReplicasRequest()),
    ("ShadowModel", pb.ShadowModelRequest(version=VERSION)),
    ("EndShadow", pb.EndShadowRequest()),
    ("GetShadowReport", pb.GetShadowReportRequest(version=VERSION)),
    ("ListShadowDisagreements", pb.ListShadowDisagreementsRequest(version=VERSION)),
    ("PromoteModel", pb.PromoteModelRequest(version=VERSION)),
    ("RollbackModel", pb.RollbackModelRequest(version=VERSION)),
]


@pytest.mark.parametrize(("method", "request_"), CALLS, ids=[name for name, _ in CALLS])
async def test_only_operators_may(policy: Replica, method: str, request_: Any) -> None:
    for kind in ("business", "device"):
        stub = await policy.models_as(kind)
        with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
            await getattr(stub, method)(request_)


async def test_only_operators_upload(policy: Replica) -> None:
    stub = await policy.models_as("business")
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await stub.UploadModel(one_frame())


async def one_frame() -> AsyncIterator[pb.UploadModelRequest]:
    yield pb.UploadModelRequest(manifest=b"{}")


@pytest.mark.parametrize(
    ("method", "request_", "reason"),
    [
        ("ListModels", pb.ListModelsRequest(page_size=1001), "INVALID_FIELD"),
        ("ListModels", pb.ListModelsRequest(page_token="x"), "INVALID_FIELD"),
        ("GetModel", pb.GetModelRequest(), "INVALID_FIELD"),
        ("GetModel", pb.GetModelRequest(version=VERSION), "MODEL_NOT_FOUND"),
        ("ListModelChanges", pb.ListModelChangesRequest(page_size=-1), "INVALID_FIELD"),
        ("ListModelChanges", pb.ListModelChangesRequest(page_token="9" * 30), "INVALID_FIELD"),
        ("ShadowModel", pb.ShadowModelRequest(), "INVALID_FIELD"),
        ("ShadowModel", pb.ShadowModelRequest(version="../../etc/pwd"), "INVALID_FIELD"),
        (
            "ShadowModel",
            pb.ShadowModelRequest(version=VERSION, share_percent=101),
            "INVALID_FIELD",
        ),
        ("ShadowModel", pb.ShadowModelRequest(version=VERSION), "MODEL_NOT_FOUND"),
        ("EndShadow", pb.EndShadowRequest(note="n" * 501), "INVALID_FIELD"),
        ("GetShadowReport", pb.GetShadowReportRequest(version="x"), "INVALID_FIELD"),
        ("GetShadowReport", pb.GetShadowReportRequest(version=VERSION), "SHADOW_NOT_FOUND"),
        (
            "ListShadowDisagreements",
            pb.ListShadowDisagreementsRequest(version=VERSION),
            "SHADOW_NOT_FOUND",
        ),
        (
            "ListShadowDisagreements",
            pb.ListShadowDisagreementsRequest(version=VERSION, page_token="-1"),
            "INVALID_FIELD",
        ),
        ("PromoteModel", pb.PromoteModelRequest(version=VERSION), "MODEL_NOT_FOUND"),
        ("PromoteModel", pb.PromoteModelRequest(version=VERSION.upper()), "INVALID_FIELD"),
        ("RollbackModel", pb.RollbackModelRequest(), "INVALID_FIELD"),
        ("RollbackModel", pb.RollbackModelRequest(version=VERSION), "MODEL_NOT_LIVE"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    policy: Replica, method: str, request_: Any, reason: str
) -> None:
    models = await policy.models()
    with pytest.raises(Refusal, match=reason):
        await getattr(models, method)(request_)
