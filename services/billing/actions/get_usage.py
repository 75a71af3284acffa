"""Owns GetUsage."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from services.billing.actions.read_period import period_of
from services.billing.domain.statements import Point, SeriesKey, without_gaps
from services.billing.store import statements
from services.kit.database import Database


class UsageByDay(NamedTuple):
    """Each kind of message with a point for every day; amounts in micros of the currency."""

    currency_code: str
    series: list[tuple[SeriesKey, list[Point]]]


async def get_usage(database: Database, business_id: UUID, first: str, last: str) -> UsageByDay:
    """What a business used on each day from `first` to `last`.

    Refuses with ACCOUNT_NOT_FOUND and PERIOD_INVALID.
    """
    async with statements.one_snapshot(database, "get_usage") as connection:
        account, period = await period_of(connection, business_id, first, last)
        used = await statements.read_usage_by_day(connection, business_id, period)
    return UsageByDay(account.currency_code, without_gaps(period, used))
