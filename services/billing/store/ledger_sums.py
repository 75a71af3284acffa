"""Owns the adding up of the whole ledger: every sum and every comparison, from one snapshot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from services.billing.domain.ledger import CurrencySums, Fault
from services.kit.database import Connection, Database

_EXAMPLES_MAX: Final = 5

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

# What must not be found: in words, and the query that finds it, with the words for each case.
_FAULTS: Final = {
    "balances that are not the sum of their entries": """
        WITH moved AS (
            SELECT business_id, account, sum(micros) AS micros
            FROM (
                SELECT business_id, from_account AS account, -amount_micros AS micros FROM entries
                UNION ALL
                SELECT business_id, to_account, amount_micros FROM entries
            ) AS sides
            GROUP BY business_id, account
        )
        SELECT format('%s of %s is %s, its entries make %s', account, business_id,
            coalesce(balance_micros::text, 'missing'), coalesce(micros, 0))
        FROM balances FULL JOIN moved USING (business_id, account)
        WHERE balance_micros IS DISTINCT FROM coalesce(micros, 0)
    """,
    "balances below zero": """
        SELECT format('%s of %s is %s', account, business_id, balance_micros)
        FROM balances
        WHERE balance_micros < 0
            AND account NOT IN ('funding', 'receivable', 'allowance', 'adjustments')
    """,
    "accounts whose balances do not add up to zero": """
        SELECT format('those of %s make %s', business_id, sum(balance_micros))
        FROM balances
        GROUP BY business_id
        HAVING sum(balance_micros) <> 0
    """,
    "entries in another currency than their account": """
        SELECT format('entry %s of %s is in %s', entry_id, business_id, entries.currency_code)
        FROM entries LEFT JOIN accounts USING (business_id)
        WHERE accounts.currency_code IS DISTINCT FROM entries.currency_code
    """,
    "messages resolved more than once": """
        SELECT format('message %s of %s, %s times', reference_id, business_id, count(*))
        FROM entries
        WHERE type IN ('capture', 'release', 'expiry')
        GROUP BY business_id, reference_id
        HAVING count(*) > 1
    """,
    "resolutions that are not of a reservation as it was made": """
        SELECT format('entry %s of %s', resolution.entry_id, resolution.business_id)
        FROM entries AS resolution
        LEFT JOIN entries AS reservation
            ON reservation.business_id = resolution.business_id
            AND reservation.reference_id = resolution.reference_id
            AND reservation.type = 'reservation'
        WHERE resolution.type IN ('capture', 'release', 'expiry')
            AND (reservation.amount_micros, reservation.currency_code, reservation.category)
                IS DISTINCT FROM
                (resolution.amount_micros, resolution.currency_code, resolution.category)
    """,
    "reservations that are neither resolved nor open, or both": """
        SELECT format('message %s of %s', coalesce(message_id, reference_id), business_id)
        FROM (
            SELECT business_id, reference_id, sum(amount_micros) AS amount_micros
            FROM (
                SELECT business_id, reference_id, type,
                    CASE type WHEN 'reservation' THEN amount_micros ELSE 0 END AS amount_micros
                FROM entries
                WHERE type <> 'top_up'
            ) AS steps
            GROUP BY business_id, reference_id
            HAVING count(*) FILTER (WHERE type <> 'reservation') = 0
        ) AS pending
        FULL JOIN (
            SELECT business_id, message_id, message_id AS reference_id, amount_micros
            FROM open_reservations
        ) AS held USING (business_id, reference_id)
        WHERE held.amount_micros IS DISTINCT FROM pending.amount_micros
    """,
    "reservations whose price is not the rate they name": """
        SELECT format('entry %s of %s', entry_id, business_id)
        FROM entries LEFT JOIN rates USING (rate_id)
        WHERE type = 'reservation'
            AND CASE
                WHEN rate_id IS NULL
                    THEN amount_micros <> 0
                        OR (
                            coalesce(free_rule, 'reply') <> 'entry_point'
                            AND (entries.category <> 'service' OR NOT window_open)
                        )
                ELSE rates.price_micros * coalesce(units, 1) IS DISTINCT FROM amount_micros
                    OR rates.category <> entries.category
                    OR rates.currency_code <> entries.currency_code
                    OR rates.channel <> coalesce(entries.channel, 'app')
                    OR rates.valid_from_time > entries.create_time
                    OR rates.valid_to_time <= entries.create_time
                    OR CASE
                        WHEN market IS NULL
                            THEN rates.country_code NOT IN (destination_country, 'ZZ')
                        ELSE rates.country_code <> market
                    END
            END
    """,
    "messages whose receipt could not be booked": """
        SELECT format(
            'message %s of %s: %s, but %s',
            message_id,
            business_id,
            CASE wanted WHEN 'capture' THEN 'delivered' ELSE 'refused or given up' END,
            CASE found
                WHEN 'capture' THEN 'captured before'
                WHEN 'release' THEN 'released before'
                WHEN 'expiry' THEN 'its reservation had expired'
                ELSE 'never reserved'
            END
        )
        FROM unsettled_receipts
    """,
}


@asynccontextmanager
async def one_snapshot(database: Database) -> AsyncIterator[Connection]:
    """A connection that sees the ledger as it is now for as long as it takes to add it up."""
    connection = await database.connect("check_ledger")
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            # Everything is read here, and nothing by key.
            await connection.execute(
                "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on;"
                "SET LOCAL enable_mergejoin = on; SET LOCAL work_mem = '64MB'"
            )
            yield connection
    finally:
        await connection.close()


async def read_sums(connection: Connection) -> list[CurrencySums]:
    """The sums of each currency that any account is in."""
    return [CurrencySums(*row) for row in await connection.fetch(_SUMS)]


async def find_faults(connection: Connection) -> Sequence[Fault]:
    """Everything that does not hold."""
    faults = []
    for what, query in _FAULTS.items():
        rows = await connection.fetch(
            # Both are written above; nothing of a caller's is in them.
            f"SELECT count(*) OVER (), found.* FROM ({query}) AS found LIMIT {_EXAMPLES_MAX}"  # noqa: S608
        )
        if rows:
            faults.append(Fault(what, rows[0][0], [row[1] for row in rows]))
    return faults
