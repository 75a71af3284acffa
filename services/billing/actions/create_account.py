"""Owns CreateAccount."""

from __future__ import annotations

from uuid import UUID

from services.billing.domain.ledger import Account
from services.billing.domain.terms import zone
from services.billing.errors import account_differs, currency_differs, time_zone_unknown
from services.billing.store import accounts
from services.kit.database import Database


async def create_account(
    database: Database,
    business_id: UUID,
    currency_code: str,
    time_zone: str | None = None,
    country_code: str | None = None,
) -> Account:
    """The business's account: opened now, or before and alike in what is said here.

    Refuses with ACCOUNT_CURRENCY_DIFFERS, ACCOUNT_DIFFERS, and INVALID_FIELD for a time zone that
    there is not.
    """
    if time_zone is not None:
        try:
            zone(time_zone)
        except ValueError:
            raise time_zone_unknown() from None
    async with database.transaction("create_account") as connection:
        await accounts.insert_account(
            connection,
            business_id,
            currency_code,
            time_zone or "UTC",
            country_code,
            database.clock.now(),
        )
        account = await accounts.get_account(connection, business_id)
    assert account is not None  # it was there, or is now
    if account.available.currency_code != currency_code:
        raise currency_differs(business_id, account.available.currency_code)
    if time_zone not in (None, account.time_zone) or country_code not in (
        None,
        account.country_code,
    ):
        raise account_differs(account)
    return account
