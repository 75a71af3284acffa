"""PublishEdgeKeys: by the hosted edge, for one business at a time; long-term keys never change."""

import asyncio

import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.kit.client import PeerFault
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.identity.house import House
from tests.identity.parties import (
    RegisteredBusiness,
    RegisteredDevice,
    forged,
    new_account,
    publish_edge,
    register_business,
)


async def test_all_at_first_more_later_never_other_long_term_keys(
    house: House, business: RegisteredBusiness, device: RegisteredDevice
) -> None:
    edge = await house.service("edge")
    account = new_account(3)
    request = pb.PublishEdgeKeysRequest(
        business_id=business.business_id, edge_id=str(new_id()), keys=account.unpublished_keys()
    )
    assert (await edge.PublishEdgeKeys(request)).one_time_keys_left == 3
    assert (await edge.PublishEdgeKeys(request)).one_time_keys_left == 3

    account.mark_keys_as_published()
    account.generate_one_time_keys(2)
    more = account.unpublished_keys()
    assert not more.HasField("fallback_key")
    request.keys.CopyFrom(more)
    assert (await edge.PublishEdgeKeys(request)).one_time_keys_left == 5

    request.keys.CopyFrom(new_account(1).unpublished_keys())
    with pytest.raises(Refusal, match="EDGE_KEYS_DIFFER"):
        await edge.PublishEdgeKeys(request)
    profile = await device.calls.GetBusinessProfile(
        pb.GetBusinessProfileRequest(business_id=business.business_id)
    )
    assert [each.ed25519_key for each in profile.profile.edges] == [account.ed25519_key]


async def test_one_edge_has_other_keys_for_each_business(
    house: House, business: RegisteredBusiness, device: RegisteredDevice
) -> None:
    other = await register_business(house, "Other")
    edge_id = new_id()
    for each in (business, other):
        assert await publish_edge(house, each.business_id, edge_id=edge_id) == str(edge_id)
    profiles = [
        await device.calls.GetBusinessProfile(
            pb.GetBusinessProfileRequest(business_id=each.business_id)
        )
        for each in (business, other)
    ]
    first, second = (each.profile.edges[0] for each in profiles)
    assert first.end_id == second.end_id == str(edge_id)
    assert first.curve25519_key != second.curve25519_key
    bundles = await device.calls.ClaimKeyBundles(
        pb.ClaimKeyBundlesRequest(business_id=other.business_id, end_ids=[str(edge_id)])
    )
    assert [bundle.end for bundle in bundles.bundles] == [second]


async def test_replicas_that_publish_at_once_with_other_keys_do_not_both_succeed(
    house: House, business: RegisteredBusiness
) -> None:
    edge = await house.service("edge")
    edge_id = str(new_id())
    requests = [
        pb.PublishEdgeKeysRequest(
            business_id=business.business_id,
            edge_id=edge_id,
            keys=new_account(1).unpublished_keys(),
        )
        for _ in range(6)
    ]
    outcomes = await asyncio.gather(
        *(edge.PublishEdgeKeys(request) for request in requests), return_exceptions=True
    )
    refused = [each for each in outcomes if isinstance(each, Refusal)]
    assert [each.reason.name for each in refused] == ["EDGE_KEYS_DIFFER"] * 5


@pytest.mark.parametrize("path", ["identity_key", "one_time_keys[0]", "fallback_key"])
async def test_every_key_must_be_signed_by_the_edge(
    house: House, business: RegisteredBusiness, path: str
) -> None:
    edge = await house.service("edge")
    good = new_account(1).unpublished_keys()
    request = pb.PublishEdgeKeysRequest(
        business_id=business.business_id, edge_id=str(new_id()), keys=forged(good, path)
    )
    with pytest.raises(Refusal, match="KEY_SIGNATURE_INVALID") as refused:
        await edge.PublishEdgeKeys(request)
    assert [violation.field for violation in refused.value.violations] == [f"keys.{path}.signature"]
    request.keys.CopyFrom(good)
    assert await edge.PublishEdgeKeys(request)


async def test_a_new_edge_needs_a_business_and_a_fallback_key(
    house: House, business: RegisteredBusiness
) -> None:
    edge = await house.service("edge")
    request = pb.PublishEdgeKeysRequest(
        business_id=str(new_id()), edge_id=str(new_id()), keys=new_account(1).unpublished_keys()
    )
    with pytest.raises(Refusal, match="BUSINESS_NOT_FOUND"):
        await edge.PublishEdgeKeys(request)
    request.business_id = business.business_id
    without = pb.PublishEdgeKeysRequest()
    without.CopyFrom(request)
    without.keys.ClearField("fallback_key")
    # To a service, a request that makes no sense is a fault of its own.
    with pytest.raises(PeerFault, match="INVALID_FIELD"):
        await edge.PublishEdgeKeys(without)
    assert await edge.PublishEdgeKeys(request)
