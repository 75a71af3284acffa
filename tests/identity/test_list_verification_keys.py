"""ListVerificationKeys: for everybody, the key that signs now first."""

import jwt

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.kit.clock import ManualClock
from services.kit.signing import SigningKey
from services.local.certificates import Authority
from tests.fixtures.postgres import PostgresForTests
from tests.fixtures.state import temporary_state
from tests.identity.house import House, identity_settings, running_identity
from tests.identity.parties import register_business


async def test_everybody_may_read_them_on_both_listeners(house: House) -> None:
    request = pb.ListVerificationKeysRequest()
    public = await (await house.anyone()).ListVerificationKeys(request)
    assert [len(key.ed25519_key) for key in public.keys] == [32]
    for service in ("policy", "billing", "messaging", "edge"):
        assert await (await house.service(service)).ListVerificationKeys(request) == public


async def test_a_key_is_replaced_without_a_token_being_refused(
    postgres: PostgresForTests, authority: Authority
) -> None:
    clock = ManualClock()
    url = await postgres.create_database("identity")
    with temporary_state() as folder:
        file = identity_settings(url, authority, folder).token_signing_key_file.path
        old, new = file.read_bytes(), SigningKey.generate()
        async with running_identity(url, authority, folder, clock) as house:
            business = await register_business(house)
            response = await (await house.anyone()).ExchangeApiKey(
                pb.ExchangeApiKeyRequest(secret=business.api_key)
            )
            old_token = response.access_token.token

        file.write_bytes(new.to_pem() + old)
        metadata = (("authorization", f"Bearer {old_token}"),)
        async with running_identity(url, authority, folder, clock) as house:
            anyone = await house.anyone()
            listed = await anyone.ListVerificationKeys(pb.ListVerificationKeysRequest())
            assert [key.key_id for key in listed.keys] == [
                new.key_id,
                SigningKey.from_pem(old).key_id,
            ]
            request = pb.GetBusinessRequest(business_id=business.business_id)
            assert await anyone.GetBusiness(request, metadata=metadata)
            response = await anyone.ExchangeApiKey(
                pb.ExchangeApiKeyRequest(secret=business.api_key)
            )
            header = jwt.get_unverified_header(response.access_token.token)
            assert header["kid"] == new.key_id
