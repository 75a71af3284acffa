"""Owns the rows of accounts and the reading of their balances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from services.billing.domain.ledger import Account
from services.billing.domain.money import Money
from services.billing.domain.payers import Payer
from services.billing.domain.terms import Terms
from services.kit.database import Connection

_PREPAID: Final = Terms()


async def insert_account(
    connection: Connection,
    business_id: UUID,
    currency_code: str,
    time_zone: str,
    country_code: str | None,
    now: datetime,
) -> None:
    """Open an account with nothing in it, unless the business has one."""
    await connection.execute(
        """
        INSERT INTO accounts (business_id, currency_code, time_zone, country_code, create_time)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (business_id) DO NOTHING
        """,
        business_id,
        currency_code,
        time_zone,
        country_code,
        now,
    )


async def get_account(connection: Connection, business_id: UUID) -> Account | None:
    """The business's account with its balances and its terms, if it has one."""
    row = await connection.fetchrow(
        """
        SELECT
            accounts.currency_code, accounts.create_time, accounts.time_zone,
            accounts.country_code,
            available.balance_micros AS available_micros,
            reserved.balance_micros AS reserved_micros,
            receivable.balance_micros AS receivable_micros,
            terms.credit_limit_micros, terms.daily_cap_micros, terms.monthly_cap_micros,
            terms.left_alerts_micros, terms.spent_alerts_micros
        FROM accounts
        JOIN balances AS available
            ON available.business_id = accounts.business_id AND available.account = 'available'
        JOIN balances AS reserved
            ON reserved.business_id = accounts.business_id AND reserved.account = 'reserved'
        JOIN balances AS receivable
            ON receivable.business_id = accounts.business_id AND receivable.account = 'receivable'
        LEFT JOIN LATERAL (
            SELECT * FROM account_terms
            WHERE account_terms.business_id = accounts.business_id
            ORDER BY account_terms.terms_id DESC
            LIMIT 1
        ) AS terms ON true
        WHERE accounts.business_id = $1
        """,
        business_id,
    )
    if row is None:
        return None
    currency_code = row["currency_code"]
    return Account(
        business_id=business_id,
        available=Money(currency_code, row["available_micros"]),
        reserved=Money(currency_code, row["reserved_micros"]),
        owed=Money(currency_code, -row["receivable_micros"]),
        create_time=row["create_time"],
        time_zone=row["time_zone"],
        country_code=row["country_code"],
        terms=_terms(tuple(row)[7:]),
    )


async def insert_terms(
    connection: Connection, business_id: UUID, terms: Terms, now: datetime
) -> None:
    """Put these terms in the place of all before them. The business's account has to be held."""
    await connection.execute(
        """
        INSERT INTO account_terms
            (business_id, credit_limit_micros, daily_cap_micros, monthly_cap_micros,
             left_alerts_micros, spent_alerts_micros, create_time)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        business_id,
        *terms,
        now,
    )


def _terms(columns: Sequence[Any]) -> Terms:
    """The terms of a row that may have none: then the business is prepaid."""
    if columns[0] is None:
        return _PREPAID
    limit, daily_cap, monthly_cap, left_alerts, spent_alerts = columns
    return Terms(limit, daily_cap, monthly_cap, tuple(left_alerts), tuple(spent_alerts))


async def hold_accounts(connection: Connection, business_ids: Iterable[UUID]) -> dict[UUID, Money]:
    """Lock businesses until the transaction ends, and tell what each can spend.

    The first statement of whoever books entries, with all businesses that it will book for. Those
    without an account are left out.
    """
    rows = await connection.fetch(
        "SELECT business_id, currency_code, available_micros FROM hold_accounts($1)",
        list(set(business_ids)),
    )
    return {row[0]: Money(row[1], row[2]) for row in rows}


class NewestPrices(NamedTuple):
    """The numbers of the newest rate and the newest free rule."""

    rate_id: int
    rule_id: int


async def hold_for_reserving(
    connection: Connection, business_ids: Iterable[UUID]
) -> tuple[dict[UUID, Payer], NewestPrices]:
    """The same with the terms on which each spends, and keep the prices as they are.

    Also tell which are the newest. Many may keep the prices at once; whoever adds some waits for
    all of them.
    """
    rows = await connection.fetch(
        """
        SELECT business_id, currency_code, available_micros, receivable_micros, time_zone,
            country_code, credit_limit_micros, daily_cap_micros, monthly_cap_micros,
            left_alerts_micros, spent_alerts_micros, newest_rate_id, newest_rule_id
        FROM hold_for_reserving($1)
        """,
        list(set(business_ids)),
    )
    payers = {
        row[0]: Payer(row[1], row[2], row[3], row[4], row[5], _terms(row[6:11])) for row in rows
    }
    return payers, NewestPrices(*rows[0][11:13]) if rows else NewestPrices(0, 0)


async def read_funding(connection: Connection, business_id: UUID) -> int:
    """How many micros were ever topped up."""
    balance: int = await connection.fetchval(
        "SELECT balance_micros FROM balances WHERE business_id = $1 AND account = 'funding'",
        business_id,
    )
    return -balance
