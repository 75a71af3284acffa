"""Owns AddRates."""

from __future__ import annotations

from collections.abc import Sequence

from services.billing.domain.rate_faults import find_rate_faults
from services.billing.domain.rates import NewRate, Rate
from services.billing.errors import rates_refused
from services.billing.store import rates
from services.kit.database import Database


async def add_rates(database: Database, added: Sequence[NewRate]) -> list[Rate]:
    """The rates as they stand, all of them or none.

    Refuses with AMOUNT_INVALID, RATE_IN_THE_PAST, RATE_OVERLAPS, RATE_GAP and MARKET_UNKNOWN, and
    names every rate at fault.
    """
    async with database.transaction("add_rates") as connection:
        # Nothing is priced from here to the commit: a rate that begins now begins for every replica
        # at once, and none reserves at the old price after it.
        await rates.stop_pricing(connection)
        now = database.clock.now()
        begun = [rate.begun(now) for rate in added]
        standing = await rates.find_ladders(connection, (rate.kind for rate in begun))
        if faults := find_rate_faults(begun, standing, now):
            raise rates_refused(faults)
        return await rates.insert_rates(connection, begun, now)
