"""Owns CreateAccount."""

from __future__ import annotations

from uuid import UUID

from services.billing.domain.ledger import Account
from services.billing.errors import currency_differs
from services.billing.store import accounts
from services.kit.database import Database


async def create_account(database: Database, business_id: UUID, currency_code: str) -> Account:
    """The business's account: opened now, or before in the same currency.

    Refuses with ACCOUNT_CURRENCY_DIFFERS.
    """
    async with database.transaction("create_account") as connection:
        await accounts.insert_account(connection, business_id, currency_code, database.clock.now())
        account = await accounts.get_account(connection, business_id)
    assert account is not None  # it was there, or is now
    if account.available.currency_code != currency_code:
        raise currency_differs(business_id, account.available.currency_code)
    return account
