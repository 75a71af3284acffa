"""Owns the reading of what businesses have used and spent so far, and of what they were told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from services.billing.domain.alerts import Alert
from services.billing.domain.payers import Payer
from services.billing.domain.rates import Category, Channel
from services.billing.domain.terms import month_of
from services.billing.domain.usage import Usage, UsageKey
from services.kit.database import Connection


async def read_usage(
    connection: Connection, payers: Mapping[UUID, Payer], now: datetime
) -> dict[UUID, Usage]:
    """What each of these businesses has used in its month and spent today."""
    days: dict[UUID, date] = {business: payer.day(now) for business, payer in payers.items()}
    rows = await connection.fetch(
        """
        SELECT asked.business_id, channel::text, market, category::text, unit_count, amount_micros,
            false
        FROM unnest($1::uuid[], $2::date[]) AS asked (business_id, month)
        JOIN usage_months AS used
            ON used.business_id = asked.business_id AND used.month = asked.month
        UNION ALL
        SELECT asked.business_id, NULL, NULL, NULL, 0, amount_micros, true
        FROM unnest($1::uuid[], $3::date[]) AS asked (business_id, day)
        JOIN usage_days AS used
            ON used.business_id = asked.business_id AND used.day = asked.day
        """,
        list(days),
        [month_of(day) for day in days.values()],
        list(days.values()),
    )
    usage = {business_id: Usage() for business_id in payers}
    for business_id, channel, market, category, units, micros, is_today in rows:
        if is_today:
            usage[business_id].today_micros = micros
        else:
            key = UsageKey(Channel(channel), market, Category(category))
            usage[business_id].add(key, units)
            usage[business_id].month_micros += micros
    return usage


async def insert_alerts(
    connection: Connection, alerts: Sequence[Alert], now: datetime
) -> list[Alert]:
    """Write down who is told about what; tell which are new today."""
    rows = await connection.fetch(
        """
        INSERT INTO alerts (business_id, kind, level_micros, day, create_time)
        SELECT business_id, kind, level_micros, day, $5
        FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::date[])
            AS told (business_id, kind, level_micros, day)
        ON CONFLICT DO NOTHING
        RETURNING business_id, kind, level_micros
        """,
        [alert.business_id for alert in alerts],
        [alert.kind for alert in alerts],
        [alert.level.amount_micros for alert in alerts],
        [alert.day for alert in alerts],
        now,
    )
    new = {tuple(row) for row in rows}
    return [
        alert
        for alert in alerts
        if (alert.business_id, alert.kind.value, alert.level.amount_micros) in new
    ]
