"""Owns the audit as a job of its own: `python -m services.billing.audit`, for a scheduler.

It needs HUDHUD_DATABASE_URL and nothing else of the service. It writes nothing, names what does
not hold on standard output, one kind of fault a line, and exits with 0 if all holds, 1 if not or if
it could not look, 2 if it was not told where.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import Final

from pydantic import Field

from services.billing.actions.check_ledger import check_ledger
from services.billing.domain.ledger import LedgerCheck
from services.kit.config import Settings, load
from services.kit.database import Database

EXIT_HOLDS: Final = 0
EXIT_FAULTS: Final = 1


class AuditSettings(Settings):
    """The `HUDHUD_*` variables of the audit."""

    database_url: str = Field(description="billing's database; a role that may read it is enough")
    audit_overdue_seconds: int = Field(
        600, ge=0, description="how long after its end a reservation may still be open"
    )


async def audit(settings: AuditSettings) -> LedgerCheck:
    """Everything added up and compared."""
    database = await Database.open(settings.database_url, name="billing-audit", connections_max=1)
    try:
        return await check_ledger(database, timedelta(seconds=settings.audit_overdue_seconds))
    finally:
        await database.close()


def main() -> int:
    """Run the audit; returns the exit code."""
    checked = asyncio.run(audit(load(AuditSettings)))
    entries = sum(sums.entry_count for sums in checked.currencies)
    for fault in checked.faults:
        sys.stdout.write(f"{fault}\n")
    sys.stdout.write(f"{entries} entries, {len(checked.faults)} kinds of faults\n")
    return EXIT_FAULTS if checked.faults else EXIT_HOLDS


if __name__ == "__main__":
    sys.exit(main())
