"""Owns GetBusinessProfile."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from services.identity.domain.businesses import Business
from services.identity.domain.ends import EndKeys
from services.identity.errors import business_not_found
from services.identity.store import businesses, ends
from services.kit.database import Database
from services.kit.pairwise import PairwiseIds


@dataclass(frozen=True)
class BusinessProfile:
    """A business as one person sees it, and as it sees that person."""

    business: Business
    contact_id: str
    edges: list[EndKeys]


async def get_business_profile(
    database: Database, pairwise: PairwiseIds, business_id: UUID, person_id: UUID, country: str
) -> BusinessProfile:
    """The profile for this person. Refuses with BUSINESS_NOT_FOUND."""
    async with database.connection("get_business_profile") as connection:
        business = await businesses.get_business(connection, business_id)
        if business is None:
            raise business_not_found(business_id)
        edges = await ends.list_ends(connection, "edge", [business_id])
    contact_id = pairwise.seal(business_id, person_id, country)
    return BusinessProfile(business, contact_id, edges.get(business_id, []))
