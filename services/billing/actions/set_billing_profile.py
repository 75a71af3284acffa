"""Owns SetBillingProfile."""

from __future__ import annotations

from uuid import UUID

from services.billing.domain.invoices import Party
from services.billing.errors import account_not_found
from services.billing.store import accounts, parties
from services.kit.database import Database


async def set_billing_profile(database: Database, business_id: UUID, party: Party) -> None:
    """Say to whom a business's invoices are issued. Refuses with ACCOUNT_NOT_FOUND."""
    async with database.transaction("set_billing_profile") as connection:
        if await accounts.get_account(connection, business_id) is None:
            raise account_not_found(business_id)
        await parties.insert_profile(connection, business_id, party, database.clock.now())
