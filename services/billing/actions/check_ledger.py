"""Owns CheckLedger."""

from __future__ import annotations

from services.billing.domain.ledger import LedgerCheck, find_unequal_sums
from services.billing.store import ledger_sums
from services.kit.database import Database


async def check_ledger(database: Database) -> LedgerCheck:
    """Everything added up again from the entries, and what does not hold, in words."""
    async with ledger_sums.one_snapshot(database) as connection:
        currencies = await ledger_sums.read_sums(connection)
        faults = await ledger_sums.find_faults(connection)
    return LedgerCheck(currencies, [*find_unequal_sums(currencies), *map(str, faults)])
