"""Owns CheckLedger."""

from __future__ import annotations

from datetime import timedelta

from services.billing.domain.ledger import LedgerCheck, find_unequal_sums
from services.billing.store import ledger_faults, ledger_sums
from services.kit.database import Database


async def check_ledger(database: Database, overdue_after: timedelta | None = None) -> LedgerCheck:
    """Everything added up again from the entries, and what does not hold, in words.

    With `overdue_after` also reservations that ran out longer ago than that and are still open.
    """
    overdue_since = None if overdue_after is None else database.clock.now() - overdue_after
    async with ledger_sums.one_snapshot(database) as connection:
        currencies = await ledger_sums.read_sums(connection)
        faults = await ledger_faults.find_faults(connection, overdue_since)
    return LedgerCheck(currencies, [*find_unequal_sums(currencies), *map(str, faults)])
