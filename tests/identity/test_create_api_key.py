"""CreateApiKey: shown once, stored hashed, limited in number."""

import asyncio
from uuid import UUID

import asyncpg
import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.identity.actions.create_api_key import create_api_key
from services.identity.credentials import SecretHasher
from services.identity.domain.businesses import GOOD_API_KEYS_MAX
from services.kit.clock import new_id
from services.kit.database import Database
from services.kit.errors import Refusal
from tests.identity.house import House
from tests.identity.parties import RegisteredBusiness, register_business


class Hasty(SecretHasher):
    """Hashes nothing, so that those who come at once really meet at the database."""

    async def hash(self, secret: str) -> str:
        return "nothing"


async def test_a_key_is_stored_as_an_argon2id_hash_and_nowhere_else(
    house: House, business: RegisteredBusiness
) -> None:
    created = await business.calls.CreateApiKey(
        pb.CreateApiKeyRequest(business_id=business.business_id, label="billing job")
    )
    key = created.api_key
    assert created.secret.startswith(f"hk_{key.api_key_id}_")
    assert (key.label, key.business_id) == ("billing job", business.business_id)
    secret = created.secret.removeprefix(f"hk_{key.api_key_id}_")
    assert len(secret) >= 43

    connection = await asyncpg.connect(house.settings.database_url)
    try:
        row = await connection.fetchrow(
            "SELECT api_keys::text AS text FROM api_keys WHERE api_key_id = $1::text::uuid",
            key.api_key_id,
        )
    finally:
        await connection.close()
    assert row is not None
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in row["text"]
    assert secret not in row["text"]


async def test_a_business_makes_keys_for_itself_only(
    house: House, business: RegisteredBusiness
) -> None:
    other = await register_business(house, "Other")
    request = pb.CreateApiKeyRequest(business_id=business.business_id)
    assert (await business.calls.CreateApiKey(request)).secret
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await other.calls.CreateApiKey(request)


async def test_no_key_for_a_business_that_is_not_there(house: House) -> None:
    with pytest.raises(Refusal, match="BUSINESS_NOT_FOUND"):
        await (await house.operator()).CreateApiKey(
            pb.CreateApiKeyRequest(business_id=str(new_id()))
        )


async def test_the_limit_holds_when_many_come_at_once(
    house: House, business: RegisteredBusiness
) -> None:
    connection = await asyncpg.connect(house.settings.database_url)
    try:
        # All but two of the keys, without two seconds of hashing.
        await connection.execute(
            """
            INSERT INTO api_keys (api_key_id, business_id, label, secret_hash, create_time)
            SELECT gen_random_uuid(), $1::text::uuid, '', '', now()
            FROM generate_series(1, $2 - 3)
            """,
            business.business_id,
            GOOD_API_KEYS_MAX,
        )
    finally:
        await connection.close()
    database = await Database.open(house.settings.database_url)
    try:
        business_id, now = UUID(business.business_id), house.clock.now()
        outcomes = await asyncio.gather(
            *(create_api_key(database, Hasty(), business_id, "", now) for _ in range(5)),
            return_exceptions=True,
        )
    finally:
        await database.close()
    refused = [each for each in outcomes if isinstance(each, Refusal)]
    assert [each.reason.name for each in refused] == ["API_KEY_LIMIT"] * 3

    request = pb.CreateApiKeyRequest(business_id=business.business_id)
    with pytest.raises(Refusal, match="API_KEY_LIMIT"):
        await business.calls.CreateApiKey(request)
    await business.calls.RevokeApiKey(
        pb.RevokeApiKeyRequest(business_id=business.business_id, api_key_id=business.api_key_id)
    )
    assert (await business.calls.CreateApiKey(request)).secret
