"""Owns the rows of accounts and the reading of their balances."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.billing.domain.ledger import Account
from services.billing.domain.money import Money
from services.kit.database import Connection


async def insert_account(
    connection: Connection, business_id: UUID, currency_code: str, now: datetime
) -> None:
    """Open an account with nothing in it, unless the business has one."""
    await connection.execute(
        """
        INSERT INTO accounts (business_id, currency_code, create_time)
        VALUES ($1, $2, $3)
        ON CONFLICT (business_id) DO NOTHING
        """,
        business_id,
        currency_code,
        now,
    )


async def get_account(connection: Connection, business_id: UUID) -> Account | None:
    """The business's account with its balances, if it has one."""
    row = await connection.fetchrow(
        """
        SELECT
            accounts.currency_code,
            accounts.create_time,
            available.balance_micros AS available_micros,
            reserved.balance_micros AS reserved_micros
        FROM accounts
        JOIN balances AS available
            ON available.business_id = accounts.business_id AND available.account = 'available'
        JOIN balances AS reserved
            ON reserved.business_id = accounts.business_id AND reserved.account = 'reserved'
        WHERE accounts.business_id = $1
        """,
        business_id,
    )
    if row is None:
        return None
    return Account(
        business_id=business_id,
        available=Money(row["currency_code"], row["available_micros"]),
        reserved=Money(row["currency_code"], row["reserved_micros"]),
        create_time=row["create_time"],
    )


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


async def hold_for_pricing(
    connection: Connection, business_ids: Iterable[UUID]
) -> tuple[dict[UUID, Money], int]:
    """The same, and keep the rates as they are; also tell the number of the newest rate.

    Many may keep the rates at once; whoever adds some waits for all of them.
    """
    rows = await connection.fetch(
        "SELECT business_id, currency_code, available_micros, newest_rate_id"
        " FROM hold_for_pricing($1)",
        list(set(business_ids)),
    )
    available = {row[0]: Money(row[1], row[2]) for row in rows}
    return available, rows[0][3] if rows else 0


async def read_funding(connection: Connection, business_id: UUID) -> int:
    """How many micros were ever topped up."""
    balance: int = await connection.fetchval(
        "SELECT balance_micros FROM balances WHERE business_id = $1 AND account = 'funding'",
        business_id,
    )
    return -balance
