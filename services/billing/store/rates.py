"""Owns the rows of rates, and the agreement of all replicas on which are in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from services.billing.domain.money import Money
from services.billing.domain.rates import Category, Rate, RateKind
from services.kit.database import Connection


async def read_rates(connection: Connection, after: int) -> list[Rate]:
    """The rates with numbers beyond `after`, in their order."""
    rows = await connection.fetch(
        """
        SELECT rate_id, category::text, country_code, currency_code, price_micros, valid_from_time
        FROM rates
        WHERE rate_id > $1
        ORDER BY rate_id
        """,
        after,
    )
    return [_rate(row) for row in rows]


async def stop_pricing(connection: Connection) -> None:
    """Wait until no transaction prices any more, and let none until this one ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(rates_lock())")


async def find_beginnings(
    connection: Connection, rates: Sequence[Rate]
) -> set[tuple[RateKind, datetime]]:
    """The beginnings of any of `rates` at which another of the same kind begins."""
    rows = await connection.fetch(
        """
        SELECT rates.category::text, rates.country_code, rates.currency_code, rates.valid_from_time
        FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
            AS asked (category, country_code, currency_code, valid_from_time)
        JOIN rates
            ON rates.category = asked.category::category
            AND rates.country_code = asked.country_code
            AND rates.currency_code = asked.currency_code
            AND rates.valid_from_time = asked.valid_from_time
        """,
        *_kinds_and_beginnings(rates),
    )
    return {(RateKind(Category(row[0]), row[1], row[2]), row[3]) for row in rows}


async def insert_rates(connection: Connection, rates: Sequence[Rate], now: datetime) -> list[Rate]:
    """Add rates; the answer has their numbers, in the same order."""
    rows = await connection.fetch(
        """
        INSERT INTO rates
            (category, country_code, currency_code, valid_from_time, price_micros, create_time)
        SELECT category::category, country_code, currency_code, valid_from_time, price_micros, $6
        FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[])
            WITH ORDINALITY
            AS added (category, country_code, currency_code, valid_from_time, price_micros, place)
        ORDER BY place
        RETURNING
            rate_id, category::text, country_code, currency_code, price_micros, valid_from_time
        """,
        *_kinds_and_beginnings(rates),
        [rate.price.amount_micros for rate in rates],
        now,
    )
    return [_rate(row) for row in rows]


async def list_rates(
    connection: Connection, at: datetime, after: RateKind | None, count: int
) -> list[Rate]:
    """At most `count` of the rates in force, in the order of their kinds, from beyond `after`."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT ON (rates.category, country_code, currency_code)
            rate_id, category::text, country_code, currency_code, price_micros, valid_from_time
        FROM rates
        WHERE valid_from_time <= $1
            AND (
                $2::text IS NULL
                OR (rates.category, country_code, currency_code) > ($2::text::category, $3, $4)
            )
        ORDER BY rates.category, country_code, currency_code, valid_from_time DESC
        LIMIT $5
        """,
        at,
        *(after or (None, None, None)),
        count,
    )
    return [_rate(row) for row in rows]


def _kinds_and_beginnings(rates: Sequence[Rate]) -> tuple[list[object], ...]:
    return (
        [rate.category for rate in rates],
        [rate.country_code for rate in rates],
        [rate.price.currency_code for rate in rates],
        [rate.valid_from_time for rate in rates],
    )


def _rate(row: asyncpg.Record) -> Rate:
    return Rate(
        rate_id=row["rate_id"],
        category=Category(row["category"]),
        country_code=row["country_code"],
        price=Money(row["currency_code"], row["price_micros"]),
        valid_from_time=row["valid_from_time"],
    )
