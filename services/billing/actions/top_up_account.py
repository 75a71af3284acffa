"""Owns TopUpAccount."""

from __future__ import annotations

from uuid import UUID

from services.billing.domain.ledger import Account
from services.billing.domain.money import AMOUNT_MICROS_MAX, FUNDING_MICROS_MAX
from services.billing.domain.top_ups import TopUp
from services.billing.errors import (
    BillingReasons,
    account_not_found,
    amount_invalid,
    currency_differs,
)
from services.billing.store import accounts, entries
from services.kit.database import Connection, Database
from services.kit.errors import Refusal


async def top_up_account(database: Database, top_up: TopUp) -> Account:
    """The account after the money came in: now, or before under the same id.

    What the business owes is settled from it at once.

    Refuses with AMOUNT_INVALID, ACCOUNT_NOT_FOUND, ACCOUNT_CURRENCY_DIFFERS, TOP_UP_ID_REUSED.
    """
    if not 0 < top_up.amount.amount_micros <= AMOUNT_MICROS_MAX:
        raise amount_invalid(
            f"A top-up is more than nothing and at most {AMOUNT_MICROS_MAX} micros."
        )

    async def book(connection: Connection) -> Account:
        available = (await accounts.hold_accounts(connection, [top_up.business_id])).get(
            top_up.business_id
        )
        if available is None:
            raise account_not_found(top_up.business_id)
        if available.currency_code != top_up.amount.currency_code:
            raise currency_differs(top_up.business_id, available.currency_code)
        funding = await accounts.read_funding(connection, top_up.business_id)
        if funding + top_up.amount.amount_micros > FUNDING_MICROS_MAX:
            raise amount_invalid("The account has taken as much money as it can count.")
        if await entries.insert_top_up(connection, top_up):
            account = await _held(connection, top_up.business_id)
            owed = min(account.owed.amount_micros, account.available.amount_micros)
            if owed > 0:
                await entries.insert_repayment(connection, top_up, owed)
        else:
            booked = await entries.get_top_up(connection, top_up.top_up_id)
            if booked is None or not booked.says_the_same_as(top_up):
                raise Refusal(
                    BillingReasons.TOP_UP_ID_REUSED,
                    metadata={"top_up_id": str(top_up.top_up_id)},
                )
        return await _held(connection, top_up.business_id)

    return await database.run("top_up_account", book)


async def _held(connection: Connection, business_id: UUID) -> Account:
    account = await accounts.get_account(connection, business_id)
    assert account is not None  # it is held
    return account
