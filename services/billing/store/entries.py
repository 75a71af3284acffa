"""Owns the rows of entries that are no message's, and the reading of all."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.billing.domain.free_rules import FreeRule
from services.billing.domain.ledger import Entry, EntryType, LedgerAccount
from services.billing.domain.money import Money
from services.billing.domain.periods import Period
from services.billing.domain.rates import Category, Channel
from services.billing.domain.statements import MovementKey
from services.billing.domain.top_ups import TopUp
from services.kit.database import Connection

_ENTRIES: Final = """
SELECT
    entry_id, business_id, type::text, amount_micros, currency_code, reference_id, category::text,
    create_time, from_account::text, to_account::text, channel::text, market, units,
    free_rule::text, corrects_entry_id
FROM entries
"""

_LIST: Final = f"""
{_ENTRIES}
WHERE business_id = $1 AND ($2::bigint IS NULL OR entry_id < $2)
ORDER BY entry_id DESC
LIMIT $3
"""

# A statement of its own, so that it is planned by the index of references.
_LIST_ABOUT: Final = f"""
{_ENTRIES}
WHERE business_id = $1 AND ($2::bigint IS NULL OR entry_id < $2) AND reference_id = $4
ORDER BY entry_id DESC
LIMIT $3
"""


# One plan for all lines of all statements: the entries of the period, in the order of their index.
_LIST_OF_PERIOD: Final = f"""
{_ENTRIES}
WHERE business_id = $1 AND create_time >= $2
    AND (create_time, entry_id) < ($3::timestamptz, $4::bigint)
    AND ($5::uuid IS NULL OR reference_id = $5)
    AND ($6::text IS NULL OR (
        type = $6::entry_type
        AND category IS NOT DISTINCT FROM $7::category
        AND channel IS NOT DISTINCT FROM $8::channel
        AND market IS NOT DISTINCT FROM $9
        AND free_rule IS NOT DISTINCT FROM $10::free_rule
    ))
ORDER BY create_time DESC, entry_id DESC
LIMIT $11
"""


async def insert_top_up(connection: Connection, top_up: TopUp) -> bool:
    """Whether it was booked: not if there is one of this id, for whichever business."""
    status = await connection.execute(
        """
        INSERT INTO entries
            (business_id, type, from_account, to_account, amount_micros, currency_code,
             reference_id, create_time)
        VALUES ($1, 'top_up', 'funding', 'available', $2, $3, $4, $5)
        ON CONFLICT (reference_id) WHERE type = 'top_up' DO NOTHING
        """,
        top_up.business_id,
        top_up.amount.amount_micros,
        top_up.amount.currency_code,
        top_up.top_up_id,
        top_up.create_time,
    )
    return status == "INSERT 0 1"


async def insert_repayment(connection: Connection, top_up: TopUp, amount_micros: int) -> None:
    """Settle what is owed from money that just came in."""
    await connection.execute(
        """
        INSERT INTO entries
            (business_id, type, from_account, to_account, amount_micros, currency_code,
             reference_id, create_time)
        VALUES ($1, 'repayment', 'available', 'receivable', $2, $3, $4, $5)
        """,
        top_up.business_id,
        amount_micros,
        top_up.amount.currency_code,
        top_up.top_up_id,
        top_up.create_time,
    )


async def get_top_up(connection: Connection, top_up_id: UUID) -> TopUp | None:
    """The top-up that was booked under this id, for whichever business."""
    row = await connection.fetchrow(
        """
        SELECT business_id, currency_code, amount_micros, create_time
        FROM entries
        WHERE reference_id = $1 AND type = 'top_up'
        """,
        top_up_id,
    )
    if row is None:
        return None
    amount = Money(row["currency_code"], row["amount_micros"])
    return TopUp(top_up_id, row["business_id"], amount, row["create_time"])


async def list_entries(
    connection: Connection,
    business_id: UUID,
    reference_id: UUID | None,
    before: int | None,
    count: int,
) -> list[Entry]:
    """At most `count` entries, newest first, that are older than the entry `before`."""
    if reference_id is None:
        rows = await connection.fetch(_LIST, business_id, before, count)
    else:
        rows = await connection.fetch(_LIST_ABOUT, business_id, before, count, reference_id)
    return [_entry(row) for row in rows]


async def list_entries_of(
    connection: Connection,
    business_id: UUID,
    period: Period,
    movement: MovementKey | None,
    reference_id: UUID | None,
    before: int | None,
    count: int,
) -> list[Entry]:
    """At most `count` entries of a period, newest first, that come after the entry `before`.

    Inside a transaction, whose plans it changes.
    """
    # The index has them in order. The planner cannot know how many entries a line has, and would
    # rather sort them all for each page.
    await connection.execute("SET LOCAL enable_sort = off")
    end: tuple[datetime, int] = (period.end_time, 0)
    if before is not None:
        last = await connection.fetchrow(
            "SELECT create_time, entry_id FROM entries WHERE business_id = $1 AND entry_id = $2",
            business_id,
            before,
        )
        if last is None:
            return []
        end = min(end, (last[0], last[1]))
    rows = await connection.fetch(
        _LIST_OF_PERIOD,
        business_id,
        period.start_time,
        *end,
        reference_id,
        *(movement or (None,) * 5),
        count,
    )
    return [_entry(row) for row in rows]


def _entry(row: asyncpg.Record) -> Entry:
    return Entry(
        entry_id=row["entry_id"],
        business_id=row["business_id"],
        type=EntryType(row["type"]),
        amount=Money(row["currency_code"], row["amount_micros"]),
        reference_id=row["reference_id"],
        category=Category(row["category"]) if row["category"] else None,
        create_time=row["create_time"],
        from_account=LedgerAccount(row["from_account"]),
        to_account=LedgerAccount(row["to_account"]),
        channel=Channel(row["channel"]) if row["channel"] else None,
        market=row["market"],
        units=row["units"],
        free_rule=FreeRule(row["free_rule"]) if row["free_rule"] else None,
        corrects_entry_id=row["corrects_entry_id"],
    )
