"""Owns CreateApiKey."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.identity.credentials import SecretHasher, new_secret
from services.identity.domain.businesses import GOOD_API_KEYS_MAX, ApiKey, WholeApiKey
from services.identity.errors import IdentityReasons, business_not_found
from services.identity.store import businesses
from services.kit.clock import new_id
from services.kit.database import Database
from services.kit.errors import Quota, Refusal


async def create_api_key(
    database: Database, hasher: SecretHasher, business_id: UUID, label: str, now: datetime
) -> tuple[ApiKey, WholeApiKey]:
    """A new key, and the whole of it, which nobody can show again.

    Refuses with BUSINESS_NOT_FOUND, API_KEY_LIMIT.
    """
    api_key = ApiKey(new_id(), business_id, label, now)
    whole = WholeApiKey(api_key.api_key_id, new_secret())
    # Before the transaction: hashing is slow, and waits for its turn.
    secret_hash = await hasher.hash(whole.secret)
    async with database.transaction("create_api_key") as connection:
        if not await businesses.lock_business(connection, business_id):
            raise business_not_found(business_id)
        if await businesses.count_good_api_keys(connection, business_id) >= GOOD_API_KEYS_MAX:
            raise Refusal(
                IdentityReasons.API_KEY_LIMIT,
                quotas=[Quota(f"business:{business_id}", f"{GOOD_API_KEYS_MAX} keys in force")],
            )
        await businesses.insert_api_key(connection, api_key, secret_hash)
    return api_key, whole
