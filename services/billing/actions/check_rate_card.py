"""Owns CheckRateCard."""

from __future__ import annotations

from datetime import datetime

from services.billing.domain.card_file import CardFile, find_card_faults, read_card
from services.billing.domain.rate_faults import RateFault
from services.billing.store import rates
from services.kit.database import Connection, Database


async def check_rate_card(database: Database, currency_code: str, text: str) -> list[RateFault]:
    """Everything that would speak against importing this file now, by line."""
    async with database.connection("check_rate_card") as connection:
        _, faults = await judge_card(connection, currency_code, text, database.clock.now())
    return faults


async def judge_card(
    connection: Connection, currency_code: str, text: str, now: datetime
) -> tuple[CardFile, list[RateFault]]:
    """The rows of the file, and what speaks against them beside what is there."""
    card = read_card(text, currency_code, now)
    standing = await rates.find_ladders(connection, (rate.kind for rate in card.rates))
    rules = await rates.find_rule_beginnings(connection, card.rules)
    return card, find_card_faults(card, standing, rules, now)
