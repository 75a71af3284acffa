"""ExchangeApiKey: a key, or the operator's credential, for a token of 15 minutes."""

import asyncio
from datetime import timedelta

import jwt
import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from services.kit.signing import VerifyingKey
from services.kit.token_source import TokenSource
from tests.identity.house import House, expire_time
from tests.identity.parties import RegisteredBusiness


async def test_a_key_becomes_a_token_of_15_minutes_that_verifies_with_published_keys(
    house: House, business: RegisteredBusiness
) -> None:
    anyone = await house.anyone()
    response = await anyone.ExchangeApiKey(pb.ExchangeApiKeyRequest(secret=business.api_key))
    assert response.business_id == business.business_id
    left = expire_time(response.access_token) - house.clock.now()
    assert timedelta(minutes=14, seconds=59) <= left <= timedelta(minutes=15)

    published = await anyone.ListVerificationKeys(pb.ListVerificationKeysRequest())
    keys = {key.key_id: key.ed25519_key for key in published.keys}
    token = response.access_token.token
    key = VerifyingKey(keys[jwt.get_unverified_header(token)["kid"]])
    claims = jwt.decode(
        token, key.for_cryptography(), algorithms=["EdDSA"], options={"verify_exp": False}
    )
    assert (claims["kind"], claims["sub"]) == ("business", business.business_id)


async def test_the_operators_credential_becomes_an_operators_token(house: House) -> None:
    credential = house.settings.operator_credential_file.read_text().strip()
    response = await (await house.anyone()).ExchangeApiKey(
        pb.ExchangeApiKeyRequest(secret=credential)
    )
    assert response.business_id == ""

    async def token() -> tuple[str, object]:
        return response.access_token.token, expire_time(response.access_token)

    operator = await house.bearer(TokenSource(token, clock=house.clock))  # type: ignore[arg-type]
    assert await operator.CreateBusiness(
        pb.CreateBusinessRequest(business_id=str(new_id()), display_name="By an operator")
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key + "x",
        lambda key: key[:-1],
        lambda key: key.replace("hk_", "hk-"),
        lambda key: key.rpartition("_")[0],
        lambda key: f"hk_{new_id().hex}_{key.split('_', 2)[2]}",
        lambda key: "hk_",
        lambda key: "hk__",
        lambda key: "nonsense",
        lambda key: "hk_é_é",
    ],
)
async def test_anything_else_is_refused_in_the_same_words(
    house: House, business: RegisteredBusiness, spoil: object
) -> None:
    anyone = await house.anyone()
    assert callable(spoil)
    with pytest.raises(Refusal) as refused:
        await anyone.ExchangeApiKey(pb.ExchangeApiKeyRequest(secret=spoil(business.api_key)))
    assert refused.value.reason.name == "API_KEY_INVALID"
    assert refused.value.metadata == {}
    assert await anyone.ExchangeApiKey(pb.ExchangeApiKeyRequest(secret=business.api_key))


async def test_hashing_does_not_hold_up_others(house: House, business: RegisteredBusiness) -> None:
    anyone, operator = await house.anyone(), await house.operator()
    request = pb.CreateApiKeyRequest(business_id=business.business_id, label="one of many")
    hashings = [asyncio.ensure_future(operator.CreateApiKey(request)) for _ in range(20)]
    for _ in range(3):
        await anyone.ListVerificationKeys(pb.ListVerificationKeysRequest())
    # Twenty hashes, two at a time, take far longer than three calls that hash nothing.
    assert not hashings[-1].done()
    await asyncio.gather(*hashings)
