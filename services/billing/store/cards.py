"""Owns the rows of rate cards: which files were imported."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from services.billing.domain.cards import Card
from services.kit.database import Connection


async def find_card(connection: Connection, name: str) -> Card | None:
    """The card of this name."""
    row = await connection.fetchrow(
        """
        SELECT card_id, name, currency_code, sha256, create_time,
            (SELECT count(*) FROM rates WHERE rates.card_id = rate_cards.card_id) AS rate_count,
            (SELECT count(*) FROM free_rules WHERE free_rules.card_id = rate_cards.card_id)
                AS rule_count
        FROM rate_cards
        WHERE name = $1
        """,
        name,
    )
    return None if row is None else _card(row)


async def insert_card(
    connection: Connection, name: str, currency_code: str, sha256: bytes, now: datetime
) -> int:
    """The number of a new card."""
    card_id: int = await connection.fetchval(
        """
        INSERT INTO rate_cards (name, currency_code, sha256, create_time)
        VALUES ($1, $2, $3, $4)
        RETURNING card_id
        """,
        name,
        currency_code,
        sha256,
        now,
    )
    return card_id


def _card(row: asyncpg.Record) -> Card:
    return Card(**dict(row))
