"""Measures the audit: `python -m tests.billing.bench_audit [ENTRIES]`, ten million unless said.

A ledger of so many entries is made by hand, as its owner: 64 businesses, a month, each message
reserved, delivered, captured and invoiced. It must hold, and not once it is broken in one place.
"""

import asyncio
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from services.billing.actions.check_ledger import check_ledger
from services.kit.database import Database
from services.kit.migrate import migrate
from services.local.benchmark.ledger import Bench
from services.local.databases import Databases
from services.local.leash import Leash
from services.local.postgres import Postgres
from tests.fixtures.state import temporary_state

ENTRIES: Final = 10_000_000
AT_ONCE: Final = 250_000
TABLES: Final = (
    *("entries", "receipts", "balances", "usage_months", "usage_days"),
    *("invoices", "invoice_lines", "invoice_numbers"),
)

# Two entries and a receipt for each message, with all that the audit compares.
ADD: Final = """
WITH messages AS MATERIALIZED (
    SELECT uuidv7() AS message_id, ($1::uuid[])[1 + number % cardinality($1)] AS business_id,
        $2::timestamptz + number % (30 * 86400) * interval '1 second' AS accepted
    FROM generate_series(1, $3) AS number
), said AS (
    INSERT INTO receipts SELECT business_id, message_id, true, accepted FROM messages
)
INSERT INTO entries
    (business_id, type, from_account, to_account, amount_micros, currency_code, reference_id,
     category, destination_country, window_open, expire_time, rate_id, channel, market, units,
     usage_day, create_time)
SELECT business_id, 'reservation'::entry_type, 'available'::ledger_account,
    'reserved'::ledger_account, 5000, 'USD', message_id, 'utility'::category, 'SY', false,
    accepted + interval '1 day', 1, 'app'::channel, 'ZZ', 1,
    (accepted AT TIME ZONE 'UTC')::date, accepted
FROM messages
UNION ALL
SELECT business_id, 'capture', 'reserved', 'revenue_utility', 5000, 'USD', message_id, 'utility',
    NULL, NULL, NULL, NULL, 'app', 'ZZ', 1, (accepted AT TIME ZONE 'UTC')::date,
    accepted + interval '1 minute'
FROM messages
"""

# What the triggers would have kept.
SETTLE: Final = """
UPDATE balances SET balance_micros = sums.micros
FROM (
    SELECT business_id, account, sum(micros) AS micros
    FROM (
        SELECT business_id, from_account AS account, -amount_micros AS micros FROM entries
        UNION ALL
        SELECT business_id, to_account, amount_micros FROM entries
    ) AS sides
    GROUP BY 1, 2
) AS sums
WHERE sums.business_id = balances.business_id AND sums.account = balances.account;
INSERT INTO usage_days
SELECT business_id, usage_day, sum(amount_micros) FROM entries WHERE type = 'reservation'
GROUP BY 1, 2;
INSERT INTO usage_months
SELECT business_id, date_trunc('month', usage_day)::date, channel, market, category, sum(units),
    sum(amount_micros)
FROM entries WHERE type = 'reservation' GROUP BY 1, 2, 3, 4, 5;
INSERT INTO invoices
    (invoice_id, business_id, kind, issuer_code, year, number, issue_time, issue_day, month,
     time_zone, start_time, end_time, currency_code, net_micros, tax_names, tax_rates_ppm,
     tax_amounts_micros, tax_note, owed_micros, seller_legal_name, seller_address_lines,
     seller_country_code, seller_tax_id, buyer_legal_name, buyer_address_lines,
     buyer_country_code, buyer_tax_id)
SELECT uuidv7(), business_id, 'invoice', 'BENCH', 2000, row_number() OVER (), now(), current_date,
    '2000-01-01', 'UTC', min(create_time), max(create_time) + interval '1 second', 'USD',
    sum(amount_micros), '{}', '{}', '{}', '', 0, 'seller', '{}', 'SY', '', 'buyer', '{}', 'SY', ''
FROM entries WHERE type = 'capture' GROUP BY business_id;
INSERT INTO invoice_lines
SELECT invoice_id, 1, 'capture', 'utility', 'app', 'ZZ', NULL, 5000, net_micros / 5000,
    net_micros / 5000, net_micros, net_micros
FROM invoices;
INSERT INTO invoice_numbers SELECT 'BENCH', 2000, 'invoice', count(*) FROM invoices;
ANALYZE
"""


async def make_ledger(owner: Database, entries: int) -> None:
    """Accounts and a rate by the front door, messages by hand."""
    bench = Bench(owner)
    await bench.prepare()
    begins = owner.clock.now() + timedelta(minutes=1)
    connection = await owner.connect("make_ledger")
    try:
        for table in TABLES:
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for start in range(0, entries // 2, AT_ONCE):
            await connection.execute(
                ADD, bench.accounts, begins, min(AT_ONCE, entries // 2 - start)
            )
        await connection.execute(SETTLE)
        for table in TABLES:
            await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    finally:
        await connection.close()


async def measure(owner: Database, entries: int) -> None:
    """Print how long it took to make, and to check, sound and broken."""
    console = Console()
    start = time.perf_counter()
    await make_ledger(owner, entries)
    console.print(f"made {entries:,} entries in {time.perf_counter() - start:.0f} s")
    for breakage in (None, "UPDATE balances SET balance_micros = 1 WHERE account = 'tax'"):
        if breakage:
            async with owner.transaction("break") as connection:
                await connection.execute("ALTER TABLE balances DISABLE TRIGGER USER")
                await connection.execute(breakage)
        start = time.perf_counter()
        checked = await check_ledger(owner, timedelta(minutes=10))
        seconds = time.perf_counter() - start
        console.print(
            f"audited in {seconds:.0f} s: {entries / seconds:,.0f} entries a second,"
            f" kinds of faults: {len(checked.faults)}"
        )
        assert bool(checked.faults) == bool(breakage)


async def run(state: Path, entries: int) -> None:
    """Start PostgreSQL, measure, stop it."""
    with Leash() as leash:
        server = Postgres(state, leash)
        await asyncio.to_thread(server.start)
        try:
            databases = Databases(server.admin_url, state / "secrets")
            owner = await Database.open(
                await databases.ensure("hudhud_billing"), statement_timeout_seconds=600
            )
            await migrate(owner, "services.billing")
            await measure(owner, entries)
            await owner.close()
        finally:
            server.erase()


if __name__ == "__main__":
    with temporary_state() as folder:
        asyncio.run(run(folder, int(sys.argv[1]) if sys.argv[1:] else ENTRIES))
