"""Owns GetBusiness."""

from __future__ import annotations

from uuid import UUID

from services.identity.domain.businesses import Business
from services.identity.errors import business_not_found
from services.identity.store import businesses
from services.kit.database import Database


async def get_business(database: Database, business_id: UUID) -> Business:
    """The business. Refuses with BUSINESS_NOT_FOUND."""
    async with database.connection("get_business") as connection:
        business = await businesses.get_business(connection, business_id)
    if business is None:
        raise business_not_found(business_id)
    return business
