"""Owns ListRates."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.billing.domain.rates import Rate, RatePage
from services.billing.errors import page_token_invalid
from services.billing.store import rates
from services.kit.database import Database

PAGE_SIZE_DEFAULT: Final = 1000


async def list_rates(
    database: Database, at: datetime | None, page_size: int, page_token: str
) -> tuple[list[Rate], str]:
    """The rates in force at a time, by default now, and the token of the next page.

    Every page is of the time of the first. Refuses with INVALID_FIELD for a token that is none.
    """
    page = RatePage(at or database.clock.now(), after=None)
    if page_token:
        asked = RatePage.parse(page_token)
        if asked is None:
            raise page_token_invalid()
        page = asked
    size = page_size or PAGE_SIZE_DEFAULT
    async with database.connection("list_rates") as connection:
        # One more than asked for tells whether there is another page.
        found = await rates.list_rates(connection, page, size + 1)
    listed = found[:size]
    if len(found) <= size:
        return listed, ""
    return listed, RatePage(page.at, listed[-1].kind, listed[-1].tier_from).text()
