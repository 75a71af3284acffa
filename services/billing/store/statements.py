"""Owns the adding up of a business's entries by period, kind and day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.billing.domain.free_rules import FreeRule
from services.billing.domain.ledger import EntryType, LedgerAccount
from services.billing.domain.periods import Period
from services.billing.domain.rates import Category, Channel
from services.billing.domain.statements import (
    Balance,
    BookedSum,
    MovementKey,
    Point,
    SeriesKey,
)
from services.kit.database import Connection, Database


@asynccontextmanager
async def one_snapshot(database: Database, label: str) -> AsyncIterator[Connection]:
    """A transaction in which every statement sees the same moment."""
    async with database.transaction(
        label, isolation="repeatable_read", read_only=True
    ) as connection:
        yield connection


async def read_balance(connection: Connection, business_id: UUID) -> Balance:
    """What the business has now."""
    rows = await connection.fetch(
        "SELECT account::text, balance_micros FROM balances"
        " WHERE business_id = $1 AND account IN ('available', 'reserved', 'receivable')",
        business_id,
    )
    return Balance(**{row[0]: row[1] for row in rows})


async def sum_since(
    connection: Connection, business_id: UUID, start: datetime, end: datetime
) -> list[BookedSum]:
    """Everything booked since `start`, told apart by what a statement tells apart.

    What was booked from `end` on is told apart too.
    """
    rows = await connection.fetch(
        """
        SELECT type::text, category::text, channel::text, market, free_rule::text,
            from_account::text, to_account::text, create_time < $3, count(*),
            coalesce(sum(units), 0), sum(amount_micros)::bigint
        FROM entries
        WHERE business_id = $1 AND create_time >= $2
        GROUP BY type, category, channel, market, free_rule, from_account, to_account,
            create_time < $3
        """,
        business_id,
        start,
        end,
    )
    return [
        BookedSum(movement_key(row[:5]), LedgerAccount(row[5]), LedgerAccount(row[6]), *row[7:])
        for row in map(tuple, rows)
    ]


async def read_usage_by_day(
    connection: Connection, business_id: UUID, period: Period
) -> dict[SeriesKey, dict[date, Point]]:
    """What was charged on each day that anything was."""
    starts = period.day_starts()
    rows = await connection.fetch(
        """
        SELECT category::text, channel::text, market, width_bucket(create_time, $4) AS day_number,
            count(*), coalesce(sum(units), 0),
            coalesce(sum(amount_micros) FILTER (WHERE free_rule IS DISTINCT FROM 'allowance'), 0)
                ::bigint
        FROM entries
        WHERE business_id = $1 AND create_time >= $2 AND create_time < $3
            AND type IN ('capture', 'late_capture')
        GROUP BY category, channel, market, day_number
        """,
        business_id,
        period.start_time,
        period.end_time,
        starts,
    )
    days = list(period.days())
    used: dict[SeriesKey, dict[date, Point]] = {}
    for category, channel, market, day_number, *sums in rows:
        key = SeriesKey(Category(category), Channel(channel) if channel else None, market)
        day = days[day_number - 1]
        used.setdefault(key, {})[day] = Point(day, *sums)
    return used


def movement_key(columns: Any) -> MovementKey:
    """The key from its columns."""
    type_, category, channel, market, free_rule = columns
    return MovementKey(
        EntryType(type_),
        Category(category) if category else None,
        Channel(channel) if channel else None,
        market,
        FreeRule(free_rule) if free_rule else None,
    )
