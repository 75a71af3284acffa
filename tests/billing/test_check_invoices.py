"""CheckLedger reads invoices too: every figure of a document follows from the entries."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.billing.domain.ledger import Fault
from services.billing.store.ledger_faults import find_faults
from services.kit.clock import new_id
from tests.billing.house import House, running_billing
from tests.billing.invoicing import give_back, go_into_next_month, go_past, issue, open_buyer
from tests.billing.parties import MARKETING, SERVICE, UNIT, check_ledger
from tests.billing.periods import deliver
from tests.billing.test_correct_invoice import correct
from tests.billing.test_rate_cards import load

LINE = "invoices with a line that is not what the entries come to"
NET = "invoices whose lines do not make their net"
RATE = "invoices whose tax is not their net times its rate"
BOOKED = "invoices whose tax is not booked as they say"
OWED = "invoices that say another sum is owed than was"
GAP = "series of invoice numbers with a gap"

# What somebody with the owner's powers might do; which faults of documents it makes, of what each.
BREAKAGES = {
    "UPDATE invoice_lines SET message_count = message_count + 1"
    " WHERE category = 'marketing' AND type = 'capture'": {LINE: "{invoice}"},
    "UPDATE invoice_lines SET list_micros = 0 WHERE free_rule = 'allowance'": {LINE: "{invoice}"},
    "UPDATE invoice_lines SET unit_price_micros = 1 WHERE category = 'utility'": {
        LINE: "{invoice}"
    },
    "UPDATE invoice_lines SET amount_micros = -1 WHERE type = 'credit_note'": {
        LINE: "{credit_note}",
        NET: "{credit_note}",
    },
    "DELETE FROM invoice_lines WHERE category = 'utility'": {LINE: "{invoice}", NET: "{invoice}"},
    "DELETE FROM invoiced_corrections": {LINE: "{credit_note}"},
    "UPDATE invoices SET net_micros = net_micros + 1 WHERE kind = 'invoice'": {NET: "{invoice}"},
    "UPDATE invoices SET tax_amounts_micros = '{{1}}' WHERE kind = 'credit_note'": {
        RATE: "{invoice}",
        BOOKED: "{credit_note}",
    },
    "UPDATE invoices SET tax_rates_ppm = '{{1}}' WHERE kind = 'invoice'": {RATE: "{invoice}"},
    "UPDATE invoices SET tax_names = '{{}}', tax_rates_ppm = '{{}}', tax_amounts_micros = '{{}}'"
    " WHERE kind = 'invoice'": {BOOKED: "{invoice}"},
    "UPDATE entries SET reference_id = '{new}' WHERE type = 'tax' AND to_account = 'tax'": {
        BOOKED: "{invoice}"
    },
    "UPDATE invoices SET owed_micros = owed_micros + 1 WHERE kind = 'invoice'": {OWED: "{invoice}"},
    "UPDATE invoices SET number = 2 WHERE kind = 'invoice'": {GAP: "{issuer} of 20"},
    "UPDATE invoice_numbers SET last_number = 7 WHERE kind = 'credit_note'": {GAP: "{issuer} of"},
    # What came into a month after it was closed.
    "INSERT INTO entries (business_id, type, from_account, to_account, amount_micros,"
    " currency_code, reference_id, category, create_time) SELECT business_id, 'capture',"
    " 'reserved', 'revenue_utility', 1, currency_code, '{new}', 'utility', start_time"
    " FROM invoices WHERE kind = 'invoice'": {LINE: "{invoice}"},
}
TABLES = ("entries", "invoices", "invoice_lines", "invoiced_corrections", "invoice_numbers")


@pytest.fixture(scope="module")
async def books(postgres: object, authority: object) -> AsyncIterator[tuple[House, dict[str, str]]]:
    """A billing with an invoice of a month and the credit note that corrects it."""
    async with running_billing(postgres, authority) as house:  # type: ignore[arg-type]
        business = await open_buyer(house, 20 * UNIT)
        await load(
            house, "allowance", f"free_allowance,app,,,{business.currency},,,1,,", business.currency
        )
        month = go_into_next_month(house)
        dear, *_ = await deliver(business, 3, category=MARKETING)
        await deliver(business, 2, category=SERVICE)
        await deliver(business, 5)
        go_past(house, month)
        invoice = await issue(business, month)
        assert invoice.owed.amount_micros > 0
        await give_back(business, dear, UNIT // 3)
        credit_note = await correct(business, invoice.number)
        yield (
            house,
            {
                "invoice": invoice.number,
                "credit_note": credit_note.number,
                "issuer": invoice.issuer_code,
                "new": str(new_id()),
            },
        )


async def test_documents_as_they_are_issued_hold(books: tuple[House, dict[str, str]]) -> None:
    assert await check_ledger(books[0]) == []


@pytest.mark.parametrize("breakage", BREAKAGES)
async def test_a_figure_that_does_not_follow_from_the_entries_is_named(
    books: tuple[House, dict[str, str]], breakage: str
) -> None:
    house, words = books
    faults = {fault.what: fault for fault in await faults_after(house, breakage.format(**words))}
    for what, of in BREAKAGES[breakage].items():
        assert what in faults, faults
        assert any(each.startswith(of.format(**words)) for each in faults[what].examples), faults
    documents = {what for what in faults if "invoice" in what}
    assert documents >= BREAKAGES[breakage].keys()


async def faults_after(house: House, breakage: str) -> list[Fault]:
    """What the audit finds of it; it is taken back afterwards, so that the next one is alone."""
    owner: asyncpg.Connection = await house.owner()
    transaction = owner.transaction()
    await transaction.start()
    try:
        for table in TABLES:
            await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        await owner.execute(breakage)
        return list(await find_faults(owner, None))
    finally:
        await transaction.rollback()
