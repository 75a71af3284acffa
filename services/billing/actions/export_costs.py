"""Owns ExportCosts."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from services.billing.documents.focus import Costs, focus_csv
from services.billing.domain.periods import Period
from services.billing.errors import account_not_found
from services.billing.statement_errors import period_invalid
from services.billing.store import accounts, costs, parties, statements
from services.kit.database import Database


async def export_costs(database: Database, business_id: UUID, month: str) -> Iterator[str]:
    """What a month cost, as FOCUS 1.2 in CSV, in parts.

    Refuses with ACCOUNT_NOT_FOUND and PERIOD_INVALID.
    """
    async with statements.one_snapshot(database, "export_costs") as connection:
        account = await accounts.get_account(connection, business_id)
        if account is None:
            raise account_not_found(business_id)
        try:
            period = Period.month(month, account.time_zone)
        except ValueError as error:
            raise period_invalid(str(error)) from None
        profile = await parties.get_profile(connection, business_id)
        documents = await costs.list_documents(connection, business_id, period)
        return focus_csv(
            Costs(
                business_id,
                profile.legal_name if profile else str(business_id),
                account.currency_code,
                period,
                await costs.read_charges(connection, business_id, period),
                await costs.read_corrections(connection, business_id, period),
                documents,
            )
        )
