"""Owns SetTaxes."""

from __future__ import annotations

from services.billing.domain.invoices import TaxSet
from services.billing.errors import BillingReasons
from services.billing.statement_errors import invoice_refused
from services.billing.store import parties
from services.kit.database import Database


async def set_taxes(database: Database, taxes: TaxSet) -> None:
    """Say which taxes hold from a day on. Refuses with ISSUER_NOT_FOUND and TAXES_DIFFER."""
    async with database.transaction("set_taxes") as connection:
        if await parties.get_issuer(connection, taxes.issuer_code) is None:
            raise invoice_refused(BillingReasons.ISSUER_NOT_FOUND, issuer_code=taxes.issuer_code)
        await parties.insert_taxes(connection, taxes, database.clock.now())
        found = await parties.find_taxes(
            connection, taxes.issuer_code, taxes.country_code, taxes.first_day
        )
        if found != taxes:
            raise invoice_refused(BillingReasons.TAXES_DIFFER, first_day=str(taxes.first_day))
