"""Owns SetIssuer, SetTaxes, SetBillingProfile and GetBillingProfile."""

from __future__ import annotations

from uuid import UUID

from services.billing.domain.invoices import Issuer, Party, TaxSet
from services.billing.domain.terms import zone
from services.billing.errors import (
    BillingReasons,
    account_not_found,
    invoice_refused,
    time_zone_unknown,
)
from services.billing.store import accounts, parties
from services.kit.database import Database


async def set_issuer(database: Database, issuer: Issuer) -> None:
    """Say who issues invoices under a code. Refuses with INVALID_FIELD a time zone there is not."""
    try:
        zone(issuer.time_zone)
    except ValueError:
        raise time_zone_unknown() from None
    async with database.transaction("set_issuer") as connection:
        await parties.insert_issuer(connection, issuer, database.clock.now())


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


async def set_billing_profile(database: Database, business_id: UUID, party: Party) -> None:
    """Say to whom a business's invoices are issued. Refuses with ACCOUNT_NOT_FOUND."""
    async with database.transaction("set_billing_profile") as connection:
        if await accounts.get_account(connection, business_id) is None:
            raise account_not_found(business_id)
        await parties.insert_profile(connection, business_id, party, database.clock.now())


async def get_billing_profile(database: Database, business_id: UUID) -> Party:
    """To whom a business's invoices are issued. Refuses with BILLING_PROFILE_MISSING."""
    async with database.connection("get_billing_profile") as connection:
        party = await parties.get_profile(connection, business_id)
    if party is None:
        raise invoice_refused(BillingReasons.BILLING_PROFILE_MISSING, business_id=str(business_id))
    return party
