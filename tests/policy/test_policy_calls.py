"""Calls of PolicyService that make no sense, or by those who may not make them."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import pytest

from hudhud.policy.v1 import policy_service_pb2 as pb
from services.kit.errors import Refusal
from tests.policy.house import Replica

SOMEBODY: Final = str(uuid4())

# Who may make each call on the public door.
MAY: Final[Mapping[str, tuple[Any, set[str]]]] = {
    "SubmitTemplate": (pb.SubmitTemplateRequest, {"business"}),
    "GetTemplate": (pb.GetTemplateRequest, {"business"}),
    "ListTemplates": (pb.ListTemplatesRequest, {"business"}),
    "ScreenMessages": (pb.ScreenMessagesRequest, {"business"}),
    "GrantConsent": (pb.GrantConsentRequest, {"device"}),
    "WithdrawConsent": (pb.WithdrawConsentRequest, {"device"}),
    "ListPreferences": (pb.ListPreferencesRequest, {"device"}),
    "BlockBusiness": (pb.BlockBusinessRequest, {"device"}),
    "UnblockBusiness": (pb.UnblockBusinessRequest, {"device"}),
    "ReportMessage": (pb.ReportMessageRequest, {"device"}),
    "AppealRefusal": (pb.AppealRefusalRequest, {"business"}),
    "GetAppeal": (pb.GetAppealRequest, {"business", "operator"}),
    "GetQuality": (pb.GetQualityRequest, {"business", "operator"}),
}


async def stub_of(policy: Replica, kind: str) -> Any:
    """A stub that calls as somebody of this kind."""
    if kind == "business":
        return await policy.business(uuid4())
    if kind == "device":
        return await policy.device(uuid4(), uuid4())
    return await policy.operator()


@pytest.mark.parametrize("method", MAY)
async def test_others_are_sent_away(policy: Replica, method: str) -> None:
    request, may = MAY[method]
    for kind in {"business", "device", "operator"} - may:
        with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
            await getattr(await stub_of(policy, kind), method)(request())
    with pytest.raises(Refusal, match="TOKEN_MISSING"):
        await getattr(await policy.anyone(), method)(request())


@pytest.mark.parametrize("method", MAY.keys() - {"ListPreferences"})
async def test_an_empty_request_is_refused(policy: Replica, method: str) -> None:
    request, may = MAY[method]
    for kind in may:
        with pytest.raises(Refusal, match="INVALID_FIELD"):
            await getattr(await stub_of(policy, kind), method)(request())


@pytest.mark.parametrize(
    ("kind", "method", "request_"),
    [
        ("business", "GetTemplate", pb.GetTemplateRequest(business_id=SOMEBODY, template_id="x")),
        ("business", "ListTemplates", pb.ListTemplatesRequest(business_id="x")),
        ("business", "ListTemplates", pb.ListTemplatesRequest(business_id=SOMEBODY, page_size=-1)),
        ("device", "GrantConsent", pb.GrantConsentRequest(business_id="x")),
        ("device", "WithdrawConsent", pb.WithdrawConsentRequest(business_id="x")),
        ("device", "BlockBusiness", pb.BlockBusinessRequest(business_id="x")),
        ("device", "UnblockBusiness", pb.UnblockBusinessRequest(business_id="x")),
        ("device", "ListPreferences", pb.ListPreferencesRequest(page_size=-1)),
        ("device", "ListPreferences", pb.ListPreferencesRequest(page_token="9" * 300)),
        ("device", "ReportMessage", pb.ReportMessageRequest(reason=77)),
        ("operator", "GetAppeal", pb.GetAppealRequest(business_id=SOMEBODY, message_id="x")),
        ("operator", "GetQuality", pb.GetQualityRequest(business_id="x")),
    ],
)
async def test_what_makes_no_sense_is_refused(
    policy: Replica, kind: str, method: str, request_: Any
) -> None:
    with pytest.raises(Refusal, match="INVALID_FIELD"):
        await getattr(await stub_of(policy, kind), method)(request_)


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("GetTemplate", pb.GetTemplateRequest(business_id=SOMEBODY, template_id=SOMEBODY)),
        ("ListTemplates", pb.ListTemplatesRequest(business_id=SOMEBODY)),
        ("GetAppeal", pb.GetAppealRequest(business_id=SOMEBODY, message_id=SOMEBODY)),
        ("GetQuality", pb.GetQualityRequest(business_id=SOMEBODY)),
    ],
)
async def test_a_business_acts_for_itself_only(policy: Replica, method: str, request_: Any) -> None:
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await getattr(await stub_of(policy, "business"), method)(request_)
