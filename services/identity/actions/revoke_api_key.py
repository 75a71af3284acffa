"""Owns RevokeApiKey."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.identity.domain.businesses import ApiKey, parse_api_key_name
from services.identity.errors import IdentityReasons
from services.identity.store import businesses
from services.kit.database import Database
from services.kit.errors import Refusal


async def revoke_api_key(database: Database, business_id: UUID, name: str, now: datetime) -> ApiKey:
    """The key, revoked now or before. Refuses with API_KEY_NOT_FOUND."""
    api_key_id = parse_api_key_name(name)
    api_key: ApiKey | None = None
    if api_key_id is not None:
        async with database.connection("revoke_api_key") as connection:
            api_key = await businesses.revoke_api_key(connection, business_id, api_key_id, now)
    if api_key is None:
        raise Refusal(IdentityReasons.API_KEY_NOT_FOUND)
    return api_key
