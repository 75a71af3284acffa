"""RevokeApiKey: no token from then on; tokens made before run out by themselves."""

import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.identity.house import House
from tests.identity.parties import RegisteredBusiness, register_business


async def test_a_revoked_key_gives_no_token_and_its_token_ends_within_15_minutes(
    house: House, business: RegisteredBusiness
) -> None:
    me = pb.GetBusinessRequest(business_id=business.business_id)
    assert await business.calls.GetBusiness(me)
    revoke = pb.RevokeApiKeyRequest(
        business_id=business.business_id, api_key_id=business.api_key_id
    )
    revoked = await (await house.operator()).RevokeApiKey(revoke)
    assert revoked.api_key.HasField("revoke_time")

    with pytest.raises(Refusal, match="API_KEY_INVALID"):
        await (await house.anyone()).ExchangeApiKey(
            pb.ExchangeApiKeyRequest(secret=business.api_key)
        )
    assert await business.calls.GetBusiness(me)
    house.clock.advance(15 * 60)
    with pytest.raises(Refusal, match="API_KEY_INVALID"):
        await business.calls.GetBusiness(me)


async def test_revoking_again_changes_nothing(house: House, business: RegisteredBusiness) -> None:
    request = pb.RevokeApiKeyRequest(
        business_id=business.business_id, api_key_id=business.api_key_id
    )
    first = await business.calls.RevokeApiKey(request)
    house.clock.advance(5)
    assert await business.calls.RevokeApiKey(request) == first


async def test_only_a_key_of_the_business_is_revoked(
    house: House, business: RegisteredBusiness
) -> None:
    other = await register_business(house, "Other")
    for api_key_id in (other.api_key_id, new_id().hex, "nonsense"):
        with pytest.raises(Refusal, match="API_KEY_NOT_FOUND"):
            await business.calls.RevokeApiKey(
                pb.RevokeApiKeyRequest(business_id=business.business_id, api_key_id=api_key_id)
            )
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await business.calls.RevokeApiKey(
            pb.RevokeApiKeyRequest(business_id=other.business_id, api_key_id=other.api_key_id)
        )
    assert await other.calls.GetBusiness(pb.GetBusinessRequest(business_id=other.business_id))
