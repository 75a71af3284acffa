"""Owns GetBillingProfile."""

from __future__ import annotations

from uuid import UUID

from services.billing.domain.invoices import Party
from services.billing.errors import BillingReasons
from services.billing.statement_errors import invoice_refused
from services.billing.store import parties
from services.kit.database import Database


async def get_billing_profile(database: Database, business_id: UUID) -> Party:
    """To whom a business's invoices are issued. Refuses with BILLING_PROFILE_MISSING."""
    async with database.connection("get_billing_profile") as connection:
        party = await parties.get_profile(connection, business_id)
    if party is None:
        raise invoice_refused(BillingReasons.BILLING_PROFILE_MISSING, business_id=str(business_id))
    return party
