"""Owns SetAccountTerms."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from services.billing.domain.ledger import Account
from services.billing.domain.terms import Terms
from services.billing.errors import account_not_found
from services.billing.store import accounts
from services.kit.database import Connection, Database


async def set_account_terms(
    database: Database, business_id: UUID, changed: Callable[[Account], Terms]
) -> Account:
    """The account on the terms that `changed` makes of those it has.

    Refuses with ACCOUNT_NOT_FOUND, and with what `changed` does.
    """

    async def set_terms(connection: Connection) -> Account:
        await accounts.hold_accounts(connection, [business_id])
        account = await accounts.get_account(connection, business_id)
        if account is None:
            raise account_not_found(business_id)
        await accounts.insert_terms(connection, business_id, changed(account), database.clock.now())
        account = await accounts.get_account(connection, business_id)
        assert account is not None  # it is held
        return account

    return await database.run("set_account_terms", set_terms)
