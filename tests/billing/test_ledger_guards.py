"""What SQL by hand can do to the ledger, as the service's own role and as the tables' owner."""

from datetime import UTC, datetime

import asyncpg
import pytest

from services.kit.clock import new_id
from tests.billing.house import House
from tests.billing.parties import UNIT, Business, check_ledger, open_business

# {business} has an open message {open} and a captured one {resolved}, each of the amount {unit};
# {other} is a second business in the same {currency}, {new} an id that nobody has used.
NEW_ENTRY = (
    "INSERT INTO entries (business_id, type, from_account, to_account, amount_micros,"
    " currency_code, reference_id, category, create_time) VALUES ('{business}', "
)

# All that a reservation says; left is what is wrong with it.
NEW_RESERVATION = (
    "INSERT INTO entries (business_id, type, from_account, to_account, currency_code,"
    " reference_id, category, destination_country, window_open, expire_time, channel, market,"
    " units, create_time, amount_micros, rate_id, usage_day) VALUES ('{business}', 'reservation',"
    " 'available', 'reserved', '{currency}', '{new}', 'utility', 'SY', false, now(), 'app', 'SY',"
    " 1, now(), "
)

CHANGES = {
    "change an amount": "UPDATE entries SET amount_micros = 0 WHERE business_id = '{business}'",
    "change nothing": "UPDATE entries SET amount_micros = amount_micros WHERE false",
    "remove an entry": "DELETE FROM entries WHERE reference_id = '{open}'",
    "remove all entries": "TRUNCATE entries",
    "remove everything": "TRUNCATE accounts, rates, entries, balances, open_reservations",
    "upsert an entry": NEW_ENTRY
    + "'release', 'reserved', 'available', {unit}, '{currency}', '{open}', 'utility', now())"
    " ON CONFLICT (business_id, entry_id) DO UPDATE SET amount_micros = 0",
    "merge an entry": "MERGE INTO entries USING (VALUES (1)) AS one ON reference_id = '{open}'"
    " WHEN MATCHED THEN UPDATE SET amount_micros = 0",
    "give money": "UPDATE balances SET balance_micros = 99 WHERE business_id = '{business}'",
    "take all balances": "DELETE FROM balances",
    "make a balance": "INSERT INTO balances VALUES (gen_random_uuid(), 'available', 'USD', 99)",
    "close a reservation": "DELETE FROM open_reservations WHERE message_id = '{open}'",
    "make a reservation dearer": "UPDATE open_reservations SET amount_micros = 99",
    "open a resolved one": "INSERT INTO open_reservations"
    " VALUES ('{business}', '{resolved}', {unit}, '{currency}', 'utility', now())",
    "change a price": "UPDATE rates SET price_micros = 0",
    "remove a price": "DELETE FROM rates",
    "change the currency": "UPDATE accounts SET currency_code = 'USD'",
    "remove an account": "DELETE FROM accounts WHERE business_id = '{business}'",
    "forget a receipt": "DELETE FROM unsettled_receipts",
    "forget what was delivered": "DELETE FROM receipts",
    "say it was refused": "UPDATE receipts SET delivered = false",
    "begin receipts anew": "INSERT INTO receipts_begin VALUES (99)",
    "begin receipts later": "UPDATE receipts_begin SET entry_id = 99999",
    "change a card": "UPDATE rate_cards SET name = 'other'",
    "change a rule": "UPDATE free_rules SET amount = 0",
    "remove a rule": "DELETE FROM free_rules",
    "a rule of the past": "INSERT INTO free_rules (rule, channel, currency_code, amount,"
    " valid_from_time, create_time) VALUES ('reply', 'app', '{currency}', 1, '2020-01-01', now())",
    "change credit": "UPDATE account_terms SET credit_limit_micros = 99",
    "remove caps": "DELETE FROM account_terms",
    "count less": "UPDATE usage_months SET unit_count = 0",
    "spend nothing": "DELETE FROM usage_days",
    "count more": "INSERT INTO usage_months VALUES ('{business}', '2020-01-01', 'app', 'SY',"
    " 'utility', 99, 0)",
    "change a credit note": "UPDATE credit_notes SET amount_micros = 1",
    "change a re-rating": "UPDATE rerating_items SET corrected_micros = 0",
    "take back a decision": "DELETE FROM rerating_decisions",
    "tell again": "DELETE FROM alerts",
}

BAD_ENTRIES = {
    "capture twice": NEW_ENTRY
    + "'capture', 'reserved', 'revenue', {unit}, '{currency}', '{resolved}', 'utility', now())",
    "release what was captured": NEW_ENTRY
    + "'release', 'reserved', 'available', {unit}, '{currency}', '{resolved}', 'utility', now())",
    "capture more than was held": NEW_ENTRY
    + "'capture', 'reserved', 'revenue', 2 * {unit}, '{currency}', '{open}', 'utility', now())",
    "capture less than was held": NEW_ENTRY
    + "'capture', 'reserved', 'revenue', 0, '{currency}', '{open}', 'utility', now())",
    "capture under another category": NEW_ENTRY
    + "'capture', 'reserved', 'revenue', {unit}, '{currency}', '{open}', 'marketing', now())",
    "capture what was never held": NEW_ENTRY
    + "'capture', 'reserved', 'revenue', {unit}, '{currency}', '{new}', 'utility', now())",
    "capture of another business": (
        "INSERT INTO entries (business_id, type, from_account, to_account, amount_micros,"
        " currency_code, reference_id, category, create_time) VALUES ('{other}', 'capture',"
        " 'reserved', 'revenue', {unit}, '{currency}', '{open}', 'utility', now())"
    ),
    "capture in another currency": NEW_ENTRY
    + "'capture', 'reserved', 'revenue', {unit}, 'USD', '{open}', 'utility', now())",
    "release into revenue": NEW_ENTRY
    + "'release', 'reserved', 'revenue', {unit}, '{currency}', '{open}', 'utility', now())",
    "capture into another category": NEW_ENTRY
    + "'capture', 'reserved', 'revenue_marketing', {unit}, '{currency}', '{open}', 'utility',"
    " now())",
    "release into credit": NEW_ENTRY
    + "'release', 'reserved', 'receivable', {unit}, '{currency}', '{open}', 'utility', now())",
    "release into the allowance": NEW_ENTRY
    + "'release', 'reserved', 'allowance', {unit}, '{currency}', '{open}', 'utility', now())",
    "late capture of what is open": NEW_ENTRY
    + "'late_capture', 'available', 'revenue_utility', {unit}, '{currency}', '{open}', 'utility',"
    " now())",
    "late capture of what was captured": NEW_ENTRY
    + "'late_capture', 'available', 'revenue_utility', {unit}, '{currency}', '{resolved}',"
    " 'utility', now())",
    "repay more than there is": NEW_ENTRY
    + "'repayment', 'available', 'receivable', 9 * {unit}, '{currency}', '{new}', NULL, now())",
    "repay from the allowance": NEW_ENTRY
    + "'repayment', 'allowance', 'receivable', {unit}, '{currency}', '{new}', NULL, now())",
    "a credit note of nothing": NEW_ENTRY
    + "'credit_note', 'adjustments', 'available', {unit}, '{currency}', '{new}', 'utility',"
    " now())",
    "an adjustment out of revenue": NEW_ENTRY
    + "'adjustment', 'revenue_utility', 'available', {unit}, '{currency}', '{new}', 'utility',"
    " now())",
    "tax from nowhere": NEW_ENTRY
    + "'tax', 'tax', 'available', {unit}, '{currency}', '{new}', NULL, now())",
    "money from nowhere": NEW_ENTRY
    + "'top_up', 'available', 'available', {unit}, '{currency}', '{new}', NULL, now())",
    "money that goes back": NEW_ENTRY
    + "'top_up', 'funding', 'available', -1, '{currency}', '{new}', NULL, now())",
    "money for nobody": (
        "INSERT INTO entries (business_id, type, from_account, to_account, amount_micros,"
        " currency_code, reference_id, create_time) VALUES ('{new}', 'top_up', 'funding',"
        " 'available', {unit}, '{currency}', '{new}', now())"
    ),
    "the same top-up": "INSERT INTO entries (business_id, type, from_account, to_account,"
    " amount_micros, currency_code, reference_id, create_time) SELECT business_id, type,"
    " from_account, to_account, amount_micros, currency_code, reference_id, now() FROM entries"
    " WHERE business_id = '{business}' AND type = 'top_up'",
    "more money than there can be": NEW_ENTRY
    + "'top_up', 'funding', 'available', 9223372036854775807, '{currency}', '{new}', NULL, now())",
    "hold more than there is": NEW_RESERVATION + "9 * {unit}, 1, current_date)",
    "hold money without a rate": NEW_RESERVATION + "{unit}, NULL, current_date)",
    "hold money that counts on no day": NEW_RESERVATION + "{unit}, 1, NULL)",
    "hold money that counts on another day": NEW_RESERVATION + "{unit}, 1, current_date - 9)",
    "a past price": "INSERT INTO rates (category, country_code, currency_code, price_micros,"
    " valid_from_time, create_time) VALUES ('utility', 'SY', 'USD', 0, now() - '1 s'::interval,"
    " now())",
    "a second account": "INSERT INTO accounts VALUES ('{business}', 'USD', now())",
}

# What an owner may do to its own tables, and a guest may not.
TAMPERING = {
    "no trigger": "ALTER TABLE entries DISABLE TRIGGER ALL",
    "no book": "DROP TRIGGER book ON entries",
    "no constraint": "ALTER TABLE balances DROP CONSTRAINT never_below_zero",
    "another book": "CREATE OR REPLACE FUNCTION book() RETURNS trigger LANGUAGE plpgsql"
    " AS 'BEGIN RETURN NULL; END'",
    "no index": "DROP INDEX entries_once",
    "no table": "DROP TABLE entries",
    "replica": "SET session_replication_role = replica",
    "a table of one's own": "CREATE TABLE mine ()",
    "a temporary table": "CREATE TEMPORARY TABLE mine ()",
    "another owner": "ALTER TABLE entries OWNER TO CURRENT_USER",
    "migrate": "DELETE FROM schema_migrations",
}

REFUSALS = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.NumericValueOutOfRangeError,
)


@pytest.fixture
async def words(business: Business) -> dict[str, object]:
    """What attacks are about: a business with an open and a resolved message."""
    other = await open_business(business.house, currency=business.currency)
    items = [business.item(), business.item(), other.item()]
    await business.reserve(*items)
    await business.receipt("delivered", items[1].message_id)
    assert await business.balances() == (8 * UNIT, UNIT)
    return {
        "business": business.business_id,
        "other": other.business_id,
        "currency": business.currency,
        "open": items[0].message_id,
        "resolved": items[1].message_id,
        "new": new_id(),
        "unit": UNIT,
    }


@pytest.mark.parametrize("role", ["guest", "owner"])
@pytest.mark.parametrize("attack", [*CHANGES, *BAD_ENTRIES])
async def test_no_statement_breaks_the_ledger(
    business: Business, words: dict[str, object], role: str, attack: str
) -> None:
    house = business.house
    connection = await (house.guest() if role == "guest" else house.owner())
    before = await business.ledger(), await business.entries()
    with pytest.raises(REFUSALS):
        await connection.execute({**CHANGES, **BAD_ENTRIES}[attack].format(**words))
    assert (await business.ledger(), await business.entries()) == before
    assert await check_ledger(house) == []
    # The same connection still books what is right.
    await connection.execute(
        (
            "INSERT INTO receipts VALUES ('{business}', '{open}', true, now());"
            + NEW_ENTRY
            + "'capture', 'reserved', 'revenue_utility', {unit}, '{currency}', '{open}',"
            " 'utility', now())"
        ).format(**words)
    )
    assert await business.balances() == (8 * UNIT, 0)


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        ("capture twice", "entries_once"),
        ("release what was captured", "entries_once"),
        ("capture less than was held", "of another amount, currency or category"),
        ("capture under another category", "of another amount, currency or category"),
        ("capture of another business", "that its business never made"),
        ("capture what was never held", "that its business never made"),
        ("release into credit", "by giving back to another account than it was taken from"),
        ("late capture of what is open", "a late capture is of no expired reservation"),
        ("repay more than there is", "never_below_zero"),
        ("hold more than there is", "never_below_zero"),
        ("hold money without a rate", "free_without_a_rate"),
        ("hold money that counts on no day", "a_reservation_counts_on_its_day"),
        ("hold money that counts on another day", "a_reservation_counts_on_its_day"),
    ],
)
async def test_each_fault_has_its_own_reason(
    business: Business, words: dict[str, object], attack: str, reason: str
) -> None:
    connection = await business.house.guest()
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match=reason):
        await connection.execute(BAD_ENTRIES[attack].format(**words))


async def test_what_is_copied_is_held_as_what_is_inserted(
    business: Business, words: dict[str, object]
) -> None:
    connection = await business.house.guest()
    columns = "business_id type from_account to_account amount_micros currency_code reference_id"
    row = (business.business_id, "capture", "reserved", "revenue_utility", 0)
    before = await business.ledger(), await business.entries()
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="of another amount"):
        await connection.copy_records_to_table(
            "entries",
            columns=(*columns.split(), "category", "create_time"),
            records=[(*row, business.currency, words["open"], "utility", datetime.now(UTC))],
        )
    assert (await business.ledger(), await business.entries()) == before


async def test_what_was_released_is_not_captured_any_more(
    business: Business, words: dict[str, object]
) -> None:
    await business.receipt("refused", str(words["open"]))
    connection = await business.house.guest()
    with pytest.raises(asyncpg.UniqueViolationError, match="entries_once"):
        await connection.execute(
            (
                NEW_ENTRY + "'capture', 'reserved', 'revenue_utility', {unit}, '{currency}',"
                " '{open}', 'utility', now())"
            ).format(**words)
        )


@pytest.mark.parametrize("attack", TAMPERING)
async def test_the_service_cannot_remove_what_holds_it(house: House, attack: str) -> None:
    connection = await house.guest()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(TAMPERING[attack])


async def test_the_service_may_park_events_and_take_them_back(house: House) -> None:
    connection = await house.guest()
    await connection.execute(
        "INSERT INTO consumer_parked (consumer, event_id, subject, payload, error, tries)"
        " VALUES ('test', gen_random_uuid(), 'subject', 'payload', 'error', 1)"
        " ON CONFLICT (consumer, event_id) DO UPDATE SET tries = excluded.tries"
    )
    assert await connection.execute("DELETE FROM consumer_parked") == "DELETE 1"
