"""Owns CreateBusiness."""

from __future__ import annotations

from services.identity.domain.businesses import Business
from services.identity.errors import IdentityReasons
from services.identity.store import businesses
from services.kit.database import Database
from services.kit.errors import Refusal


async def create_business(database: Database, business: Business) -> Business:
    """The business as registered: now, or before with the same body.

    Refuses with BUSINESS_ID_REUSED.
    """
    async with database.transaction("create_business") as connection:
        if await businesses.insert_business(connection, business):
            return business
        registered = await businesses.get_business(connection, business.business_id)
    if registered is None or not registered.says_the_same_as(business):
        raise Refusal(
            IdentityReasons.BUSINESS_ID_REUSED,
            metadata={"business_id": str(business.business_id)},
        )
    return registered
