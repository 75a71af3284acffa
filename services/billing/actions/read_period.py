"""Owns how the days that a caller names become a period of the business's account."""

from __future__ import annotations

from uuid import UUID

from services.billing.domain.ledger import Account
from services.billing.domain.periods import Period
from services.billing.errors import account_not_found
from services.billing.statement_errors import period_invalid
from services.billing.store import accounts
from services.kit.database import Connection


async def period_of(
    connection: Connection, business_id: UUID, first: str, last: str
) -> tuple[Account, Period]:
    """The account, and the days in its time zone.

    Refuses with ACCOUNT_NOT_FOUND and PERIOD_INVALID.
    """
    account = await accounts.get_account(connection, business_id)
    if account is None:
        raise account_not_found(business_id)
    try:
        return account, Period.parse(first, last, account.time_zone)
    except ValueError as error:
        raise period_invalid(str(error)) from None
