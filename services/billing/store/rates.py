"""Owns the rows of rates and free rules, and what all replicas agree is in force."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import asyncpg

from services.billing.domain.free_rules import FreeRule, RuleKind, RuleRow
from services.billing.domain.money import Money
from services.billing.domain.rate_faults import Span
from services.billing.domain.rates import Category, Channel, Rate, RateKind, RatePage
from services.kit.database import Connection

_COLUMNS: Final = """
    rate_id, category::text, country_code, currency_code, price_micros, valid_from_time,
    channel::text, tier_from, tier_to, valid_to_time
"""


# Of each kind the ladder that began last, unless it has ended since.
_IN_FORCE: Final = """
    SELECT *
    FROM rates
    WHERE valid_from_time <= $1
        AND (valid_to_time IS NULL OR valid_to_time > $1)
        AND NOT EXISTS (
            SELECT FROM rates AS later
            WHERE later.channel = rates.channel
                AND later.category = rates.category
                AND later.country_code = rates.country_code
                AND later.currency_code = rates.currency_code
                AND later.valid_from_time > rates.valid_from_time
                AND later.valid_from_time <= $1
        )
"""


async def read_rates(connection: Connection, after: int) -> list[Rate]:
    """The rates with numbers beyond `after`, in their order."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM rates WHERE rate_id > $1 ORDER BY rate_id",  # noqa: S608
        after,
    )
    return [_rate(row) for row in rows]


async def read_rules(connection: Connection, after: int) -> list[RuleRow]:
    """The free rules with numbers beyond `after`, in their order."""
    rows = await connection.fetch(
        """
        SELECT rule::text, channel::text, currency_code, amount, valid_from_time, rule_id
        FROM free_rules
        WHERE rule_id > $1
        ORDER BY rule_id
        """,
        after,
    )
    return [_rule(row) for row in rows]


async def stop_pricing(connection: Connection) -> None:
    """Wait until no transaction prices any more, and let none until this one ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(rates_lock())")


async def find_ladders(
    connection: Connection, kinds: Iterable[RateKind]
) -> dict[RateKind, list[Span]]:
    """When the ladders of these kinds are in force."""
    asked = sorted(set(kinds))
    rows = await connection.fetch(
        """
        SELECT DISTINCT rates.category::text, rates.country_code, rates.currency_code,
            rates.channel::text, rates.valid_from_time, rates.valid_to_time
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
            AS asked (category, market, currency_code, channel)
        JOIN rates
            ON rates.channel = asked.channel::channel
            AND rates.category = asked.category::category
            AND rates.country_code = asked.market
            AND rates.currency_code = asked.currency_code
        """,
        [kind.category for kind in asked],
        [kind.market for kind in asked],
        [kind.currency_code for kind in asked],
        [kind.channel for kind in asked],
    )
    found: dict[RateKind, list[Span]] = defaultdict(list)
    for row in rows:
        kind = RateKind(Category(row[0]), row[1], row[2], Channel(row[3]))
        found[kind].append(Span(row[4], row[5]))
    return found


async def find_rule_beginnings(
    connection: Connection, rules: Sequence[RuleRow]
) -> set[tuple[RuleKind, datetime]]:
    """The beginnings of any of `rules` at which another of the same kind begins."""
    rows = await connection.fetch(
        """
        SELECT rule::text, channel::text, currency_code, valid_from_time
        FROM free_rules
        WHERE currency_code = ANY ($1)
        """,
        list({rule.currency_code for rule in rules}),
    )
    return {(RuleKind(FreeRule(row[0]), Channel(row[1]), row[2]), row[3]) for row in rows}


async def insert_rates(
    connection: Connection, rates: Sequence[Rate], now: datetime, card_id: int | None = None
) -> list[Rate]:
    """Add rates; the answer has their numbers, in the same order."""
    rows = await connection.fetch(
        f"""
        INSERT INTO rates
            (category, country_code, currency_code, valid_from_time, price_micros, channel,
             tier_from, tier_to, valid_to_time, create_time, card_id)
        SELECT category::category, country_code, currency_code, valid_from_time, price_micros,
            channel::channel, tier_from, tier_to, valid_to_time, $10, $11
        FROM unnest(
            $1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::text[],
            $7::bigint[], $8::bigint[], $9::timestamptz[]
        ) WITH ORDINALITY AS added (
            category, country_code, currency_code, valid_from_time, price_micros, channel,
            tier_from, tier_to, valid_to_time, place
        )
        ORDER BY place
        RETURNING {_COLUMNS}
        """,  # noqa: S608
        [rate.category for rate in rates],
        [rate.market for rate in rates],
        [rate.price.currency_code for rate in rates],
        [rate.valid_from_time for rate in rates],
        [rate.price.amount_micros for rate in rates],
        [rate.channel for rate in rates],
        [rate.tier_from for rate in rates],
        [rate.tier_to for rate in rates],
        [rate.valid_to_time for rate in rates],
        now,
        card_id,
    )
    return [_rate(row) for row in rows]


async def insert_rules(
    connection: Connection, rules: Sequence[RuleRow], now: datetime, card_id: int | None = None
) -> None:
    """Add free rules."""
    await connection.execute(
        """
        INSERT INTO free_rules
            (rule, channel, currency_code, amount, valid_from_time, card_id, create_time)
        SELECT rule::free_rule, channel::channel, currency_code, amount, valid_from_time, $6, $7
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[])
            AS added (rule, channel, currency_code, amount, valid_from_time)
        """,
        [rule.rule for rule in rules],
        [rule.channel for rule in rules],
        [rule.currency_code for rule in rules],
        [rule.amount for rule in rules],
        [rule.valid_from_time for rule in rules],
        card_id,
        now,
    )


async def list_rates(connection: Connection, page: RatePage, count: int) -> list[Rate]:
    """At most `count` of the rates in force, in the order of their kinds and tiers."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS}
        FROM ({_IN_FORCE}) AS rates
        WHERE $2::text IS NULL
            OR (rates.category, country_code, currency_code, rates.channel, tier_from)
                > ($2::text::category, $3, $4, $5::text::channel, $6)
        ORDER BY rates.category, country_code, currency_code, rates.channel, tier_from
        LIMIT $7
        """,  # noqa: S608
        page.at,
        *(page.after or (None, None, None, None)),
        page.tier_from,
        count,
    )
    return [_rate(row) for row in rows]


async def rates_in_force(connection: Connection, currency_code: str, at: datetime) -> list[Rate]:
    """All rates in force in this currency, in the order of their kinds and tiers."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS}
        FROM ({_IN_FORCE}) AS rates
        WHERE currency_code = $2
        ORDER BY rates.channel, country_code COLLATE "C", rates.category, tier_from
        """,  # noqa: S608
        at,
        currency_code,
    )
    return [_rate(row) for row in rows]


async def rules_in_force(connection: Connection, currency_code: str, at: datetime) -> list[RuleRow]:
    """All free rules in force in this currency."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT ON (free_rules.channel, free_rules.rule)
            rule::text, channel::text, currency_code, amount, valid_from_time, rule_id
        FROM free_rules
        WHERE valid_from_time <= $1 AND currency_code = $2
        ORDER BY free_rules.channel, free_rules.rule, valid_from_time DESC
        """,
        at,
        currency_code,
    )
    return [_rule(row) for row in rows]


def _rule(row: asyncpg.Record) -> RuleRow:
    return RuleRow(FreeRule(row[0]), Channel(row[1]), row[2], row[3], row[4], row[5])


def _rate(row: asyncpg.Record) -> Rate:
    return Rate(
        rate_id=row["rate_id"],
        category=Category(row["category"]),
        market=row["country_code"],
        price=Money(row["currency_code"], row["price_micros"]),
        valid_from_time=row["valid_from_time"],
        channel=Channel(row["channel"]),
        tier_from=row["tier_from"],
        tier_to=row["tier_to"],
        valid_to_time=row["valid_to_time"],
    )
