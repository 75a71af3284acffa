"""Owns ExportRateCard."""

from __future__ import annotations

from datetime import datetime

from services.billing.domain.card_file import write_card
from services.billing.store import rates
from services.kit.database import Database


async def export_rate_card(database: Database, currency_code: str, at: datetime | None) -> str:
    """The file of all rates and free rules that are in force in a currency at a time."""
    at = at or database.clock.now()
    async with database.connection("export_rate_card") as connection:
        found = await rates.rates_in_force(connection, currency_code, at)
        rules = await rates.rules_in_force(connection, currency_code, at)
    return write_card(found, rules)
