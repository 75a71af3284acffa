"""Owns how the tax of a document moves money."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.billing.domain.ledger import Account, LedgerAccount
from services.billing.domain.money import Money
from services.billing.store import accounts, invoicing
from services.kit.database import Connection


async def book_tax(
    connection: Connection, account: Account, invoice_id: UUID, micros: int, now: datetime
) -> int:
    """Book a document's tax, which a credit note has below zero; what the business owes then.

    Tax is paid whole from what was paid in where that covers it, else it is owed. What is given
    back lessens what is owed where it is all owed. The business's account has to be held.
    """
    held = await accounts.get_account(connection, account.business_id)
    assert held is not None  # it is held
    owed = held.owed.amount_micros
    if micros == 0:
        return owed
    covered = held.available.amount_micros >= micros if micros > 0 else owed < -micros
    own = LedgerAccount.AVAILABLE if covered else LedgerAccount.RECEIVABLE
    sides = (own, LedgerAccount.TAX) if micros > 0 else (LedgerAccount.TAX, own)
    amount = Money(account.currency_code, abs(micros))
    await invoicing.insert_tax(connection, invoice_id, account.business_id, amount, *sides, now)
    return owed if covered else owed + micros
