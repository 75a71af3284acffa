"""Owns CreateCreditNote."""

from __future__ import annotations

from services.billing.domain.corrections import CreditNote, gives_back_to
from services.billing.domain.ledger import Account
from services.billing.domain.money import AMOUNT_MICROS_MAX
from services.billing.errors import (
    account_not_found,
    amount_invalid,
    credit_exceeds_charge,
    credit_note_id_reused,
    currency_differs,
    entry_not_chargeable,
)
from services.billing.store import accounts, corrections
from services.kit.database import Connection, Database


async def create_credit_note(database: Database, note: CreditNote) -> Account:
    """The account after the money was given back: now, or before under the same id.

    Refuses with AMOUNT_INVALID, ACCOUNT_NOT_FOUND, ACCOUNT_CURRENCY_DIFFERS,
    CREDIT_NOTE_ID_REUSED, ENTRY_NOT_CHARGED and CREDIT_EXCEEDS_CHARGE.
    """
    if not 0 < note.amount.amount_micros <= AMOUNT_MICROS_MAX:
        raise amount_invalid(
            f"A credit note is over more than nothing and at most {AMOUNT_MICROS_MAX} micros."
        )

    async def book(connection: Connection) -> Account:
        await accounts.hold_accounts(connection, [note.business_id])
        account = await accounts.get_account(connection, note.business_id)
        if account is None:
            raise account_not_found(note.business_id)
        if account.currency_code != note.amount.currency_code:
            raise currency_differs(note.business_id, account.currency_code)
        earlier = await corrections.find_credit_note(connection, note.credit_note_id)
        if earlier is not None:
            if earlier != note:
                raise credit_note_id_reused(note.credit_note_id)
            return account
        key = note.business_id, note.entry_id
        charge = (await corrections.find_charges(connection, [key])).get(key)
        if charge is None:
            raise entry_not_chargeable(note.entry_id)
        if note.amount.amount_micros > charge.charged.amount_micros:
            raise credit_exceeds_charge(note.amount, charge.charged)
        side = gives_back_to(note.amount.amount_micros, account.owed.amount_micros)
        await corrections.insert_credit_note(connection, note, charge, side, database.clock.now())
        account = await accounts.get_account(connection, note.business_id)
        assert account is not None  # it is held
        return account

    return await database.run("create_credit_note", book)
