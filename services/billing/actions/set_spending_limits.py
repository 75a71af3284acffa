"""Owns SetSpendingLimits."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from services.billing.actions.set_account_terms import set_account_terms
from services.billing.domain.ledger import Account
from services.billing.domain.terms import Terms
from services.kit.database import Database


async def set_spending_limits(
    database: Database, business_id: UUID, read: Callable[[Account], Terms]
) -> Account:
    """The account with the caps and alerts that `read` gives for it, and the credit it has.

    Refuses with ACCOUNT_NOT_FOUND, and with what `read` does.
    """

    def changed(account: Account) -> Terms:
        return read(account)._replace(credit_limit_micros=account.terms.credit_limit_micros)

    return await set_account_terms(database, business_id, changed)
