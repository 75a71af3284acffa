"""Owns SetIssuer."""

from __future__ import annotations

from services.billing.domain.invoices import Issuer
from services.billing.domain.terms import zone
from services.billing.errors import time_zone_unknown
from services.billing.store import parties
from services.kit.database import Database


async def set_issuer(database: Database, issuer: Issuer) -> None:
    """Say who issues invoices under a code. Refuses with INVALID_FIELD a time zone there is not."""
    try:
        zone(issuer.time_zone)
    except ValueError:
        raise time_zone_unknown() from None
    async with database.transaction("set_issuer") as connection:
        await parties.insert_issuer(connection, issuer, database.clock.now())
