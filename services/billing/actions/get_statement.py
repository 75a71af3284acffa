"""Owns GetStatement."""

from __future__ import annotations

from uuid import UUID

from services.billing.actions.read_period import period_of
from services.billing.domain.statements import Statement, statement_of
from services.billing.store import statements
from services.kit.database import Database


async def get_statement(database: Database, business_id: UUID, first: str, last: str) -> Statement:
    """A business's account over the days from `first` to `last`.

    Refuses with ACCOUNT_NOT_FOUND and PERIOD_INVALID.
    """
    async with statements.one_snapshot(database, "get_statement") as connection:
        account, period = await period_of(connection, business_id, first, last)
        now = await statements.read_balance(connection, business_id)
        sums = await statements.sum_since(
            connection, business_id, period.start_time, period.end_time
        )
    return statement_of(business_id, account.currency_code, period, now, sums)
