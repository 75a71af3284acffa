"""The ledger by itself, on a PostgreSQL of its own that waits for the disk.

Reservations and captures a second in batches of 1, 16 and 256, beside a bare multi-row insert of
the same rows in the same run (into a table with the same columns and a primary key, and no
guarantees); then 64 batches at once on one account, and on 64 accounts; then the audit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from services.billing.actions.add_rates import add_rates
from services.billing.actions.check_ledger import check_ledger
from services.billing.actions.create_account import create_account
from services.billing.actions.create_reservations import create_reservations
from services.billing.actions.top_up_account import top_up_account
from services.billing.app import PLANNED_ONCE
from services.billing.domain.money import Money
from services.billing.domain.pricing import Shipment
from services.billing.domain.rate_card import RateCard
from services.billing.domain.rates import EVERYWHERE, Category, NewRate
from services.billing.domain.reservations import MessageKey, ReservationItem
from services.billing.domain.top_ups import TopUp
from services.billing.settlement import settle_reservations
from services.kit.clock import new_id
from services.kit.coalesce import Coalescer
from services.kit.database import Database
from services.kit.errors import Refusal
from services.kit.migrate import migrate
from services.local.databases import Databases
from services.local.errors import LocalError
from services.local.leash import Leash
from services.local.postgres import Postgres

SECONDS: Final = 3.0
BATCHES: Final = (1, 16, 256)
ACCOUNTS: Final = 64

# Takes a figure: its name, value and unit.
Add = Callable[[str, float, str], None]

BARE: Final = """
CREATE TABLE bare (LIKE entries INCLUDING IDENTITY, PRIMARY KEY (business_id, entry_id))
"""

INSERT: Final = """
INSERT INTO bare
    (business_id, type, from_account, to_account, amount_micros, currency_code, reference_id,
     category, destination_country, window_open, expire_time, rate_id, channel, market, units,
     usage_day, create_time)
SELECT
    business_id, 'reservation', 'available', 'reserved', amount_micros, 'USD', message_id,
    category::category, destination_country, window_open, expire_time, 1, 'app', 'ZZ', 1,
    current_date, now()
FROM unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::boolean[], $6::timestamptz[], $7::bigint[]
) AS added (
    business_id, message_id, category, destination_country, window_open, expire_time, amount_micros
)
"""


class Bench:
    """A ledger with accounts that do not run dry."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.card = RateCard()
        self.accounts = [new_id() for _ in range(ACCOUNTS)]

    async def prepare(self) -> None:
        """A price, and money on every account."""
        price = Money("USD", 5000)
        await add_rates(self.database, [NewRate(Category.UTILITY, EVERYWHERE, price, None)])
        for account in self.accounts:
            await create_account(self.database, account, "USD")
            money = Money("USD", 10**15)
            now = self.database.clock.now()
            await top_up_account(self.database, TopUp(new_id(), account, money, now))

    def items(self, count: int, account: int = 0) -> list[ReservationItem]:
        """Fresh messages of one account."""
        ends = self.database.clock.now() + timedelta(days=1)
        key = self.accounts[account]
        return [
            ReservationItem(
                MessageKey(key, new_id()), Shipment(Category.UTILITY, "SY", window_open=False), ends
            )
            for _ in range(count)
        ]

    async def reserve(self, items: Sequence[ReservationItem]) -> None:
        """Hold the price of each, as a call does."""
        outcomes = await create_reservations(self.database, self.card, items)
        assert not any(isinstance(outcome, Refusal) for outcome in outcomes)

    async def insert(self, items: Sequence[ReservationItem]) -> None:
        """The same rows without any guarantee."""
        async with self.database.transaction("bare") as connection:
            await connection.execute(
                INSERT,
                [item.key.business_id for item in items],
                [item.key.message_id for item in items],
                [item.shipment.category for item in items],
                [item.shipment.destination_country for item in items],
                [item.shipment.window_open for item in items],
                [item.expire_time for item in items],
                [5000] * len(items),
            )


async def _rate_of(
    work: Callable[[list[ReservationItem]], Awaitable[None]], batches: list[list[ReservationItem]]
) -> float:
    """Items a second, one batch after the other, until the time is over or they are used up."""
    start = time.perf_counter()
    done = 0
    for batch in batches:
        await work(batch)
        done += len(batch)
        if time.perf_counter() - start > SECONDS:
            break
    del batches[: done // len(batches[0])]
    return done / (time.perf_counter() - start)


async def _measure_batches(bench: Bench, add: Add) -> None:
    """Each size of batch, one after the other."""
    for size in BATCHES:
        count = max(40, 60_000 // size) if size > 1 else 6000
        bare = await _rate_of(bench.insert, [bench.items(size) for _ in range(count)])
        batches = [bench.items(size) for _ in range(count)]
        kept = list(batches)
        reserved = await _rate_of(bench.reserve, batches)
        held = kept[: len(kept) - len(batches)]

        async def capture(items: list[ReservationItem]) -> None:
            await settle_reservations(bench.database, {item.key for item in items}, ())

        captured = await _rate_of(capture, held)
        add(f"ledger_bare_{size}_per_s", bare, "rows/s")
        add(f"ledger_reserved_{size}_per_s", reserved, "messages/s")
        add(f"ledger_reserved_{size}_of_bare", reserved / bare, "")
        add(f"ledger_captured_{size}_per_s", captured, "messages/s")
        add(f"ledger_captured_{size}_of_bare", captured / bare, "")


async def _measure_at_once(bench: Bench, accounts: int, size: int = 256) -> float:
    """Items a second with 64 callers at once on so many accounts, coalesced as calls are."""

    async def reserve(items: list[ReservationItem]) -> Sequence[Money | Exception]:
        return await create_reservations(bench.database, bench.card, items)

    coalescer: Coalescer[ReservationItem, Money] = Coalescer(
        reserve, items_max=1000, in_flight_max=2, waiting_max=10**6
    )
    start = time.perf_counter()
    done = 0

    async def call(number: int) -> None:
        nonlocal done
        while time.perf_counter() - start < SECONDS:
            outcomes = await coalescer.submit_many(bench.items(size, number % accounts))
            assert not any(isinstance(outcome, Exception) for outcome in outcomes)
            done += size

    await asyncio.gather(*map(call, range(64)))
    return done / (time.perf_counter() - start)


async def _measure(database: Database, add: Add) -> None:
    bench = Bench(database)
    await bench.prepare()
    await _measure_batches(bench, add)
    for size in BATCHES:
        one = await _measure_at_once(bench, 1, size)
        many = await _measure_at_once(bench, ACCOUNTS, size)
        add(f"ledger_one_account_{size}_per_s", one, "messages/s")
        add(f"ledger_64_accounts_{size}_per_s", many, "messages/s")
        add(f"ledger_one_account_{size}_of_64", one / many, "")
    start = time.perf_counter()
    checked = await check_ledger(database)
    seconds = time.perf_counter() - start
    if checked.faults:
        raise LocalError("the ledger does not hold: " + "; ".join(checked.faults))
    add(
        "ledger_audited_per_s",
        sum(each.entry_count for each in checked.currencies) / seconds,
        "entries/s",
    )


async def measure(state: Path, add: Add) -> None:
    """Start PostgreSQL in an empty folder, measure, tell `add`, and erase it all again."""
    with Leash() as leash:
        server = Postgres(state, leash)
        await asyncio.to_thread(server.start)
        try:
            databases = Databases(server.admin_url, state / "secrets")
            owner = await Database.open(await databases.ensure("hudhud_billing"))
            await migrate(owner, "services.billing")
            async with owner.connection("bare") as connection:
                await connection.execute(BARE)
                await connection.execute("GRANT INSERT ON bare TO PUBLIC")
            await owner.close()
            url = await databases.ensure_guest("hudhud_billing")
            database = await Database.open(url, name="bench", postgres_settings=PLANNED_ONCE)
            await _measure(database, add)
            await database.close()
        finally:
            server.erase()
