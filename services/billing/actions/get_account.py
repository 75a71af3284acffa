"""Owns GetAccount."""

from __future__ import annotations

from uuid import UUID

from services.billing.domain.ledger import Account
from services.billing.errors import account_not_found
from services.billing.store import accounts
from services.kit.database import Database


async def get_account(database: Database, business_id: UUID) -> Account:
    """The business's account as it stands. Refuses with ACCOUNT_NOT_FOUND."""
    async with database.connection("get_account") as connection:
        account = await accounts.get_account(connection, business_id)
    if account is None:
        raise account_not_found(business_id)
    return account
