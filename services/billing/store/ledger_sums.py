"""Owns the adding up of the whole ledger: its sums, from one snapshot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from services.billing.domain.ledger import CurrencySums
from services.kit.database import Connection, Database

_SUMS: Final = """
WITH moved AS (
    SELECT business_id, account, currency_code, sum(debit) AS debits, sum(credit) AS credits
    FROM (
        SELECT business_id, from_account AS account, currency_code, amount_micros AS debit,
            0 AS credit
        FROM entries
        UNION ALL
        SELECT business_id, to_account, currency_code, 0, amount_micros FROM entries
    ) AS sides
    GROUP BY business_id, account, currency_code
), totals AS (
    SELECT
        currency_code,
        sum(debits) AS debits,
        sum(credits) AS credits,
        sum(credits - debits) FILTER (WHERE account = 'available') AS available,
        sum(credits - debits) FILTER (WHERE account = 'reserved') AS reserved,
        sum(credits - debits) FILTER (WHERE account::text LIKE 'revenue%') AS revenue,
        sum(debits - credits) FILTER (WHERE account = 'receivable') AS owed,
        sum(debits - credits) FILTER (WHERE account = 'allowance') AS allowed,
        sum(debits - credits) FILTER (WHERE account = 'adjustments') AS adjusted,
        sum(credits - debits) FILTER (WHERE account = 'tax') AS tax
    FROM moved
    GROUP BY currency_code
), counted AS (
    SELECT currency_code, count(*) AS entry_count FROM entries GROUP BY currency_code
), open AS (
    SELECT currency_code, count(*) AS open_count FROM open_reservations GROUP BY currency_code
), currencies AS (
    SELECT DISTINCT currency_code FROM accounts
    UNION
    SELECT currency_code FROM totals
)
SELECT
    currency_code,
    coalesce(debits, 0)::bigint, coalesce(credits, 0)::bigint, coalesce(available, 0)::bigint,
    coalesce(reserved, 0)::bigint, coalesce(revenue, 0)::bigint, coalesce(entry_count, 0),
    coalesce(open_count, 0), coalesce(owed, 0)::bigint, coalesce(allowed, 0)::bigint,
    coalesce(adjusted, 0)::bigint, coalesce(tax, 0)::bigint
FROM currencies
LEFT JOIN totals USING (currency_code)
LEFT JOIN counted USING (currency_code)
LEFT JOIN open USING (currency_code)
ORDER BY currency_code
"""


@asynccontextmanager
async def one_snapshot(database: Database) -> AsyncIterator[Connection]:
    """A connection that sees the ledger as it is now for as long as it takes to add it up."""
    connection = await database.connect("check_ledger")
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            # Everything is read here, and nothing by key.
            await connection.execute(
                "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on;"
                "SET LOCAL enable_mergejoin = on; SET LOCAL enable_nestloop = off;"
                "SET LOCAL enable_bitmapscan = off; SET LOCAL work_mem = '64MB'"
            )
            yield connection
    finally:
        await connection.close()


async def read_sums(connection: Connection) -> list[CurrencySums]:
    """The sums of each currency that any account is in."""
    return [CurrencySums(*row) for row in await connection.fetch(_SUMS)]
