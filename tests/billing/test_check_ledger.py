"""CheckLedger: its sums, and each thing that it must find when somebody with power breaks it."""

import asyncio
import os
import sys

import pytest

from hudhud.billing.v1 import billing_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.billing.house import House
from tests.billing.parties import MARKETING, SERVICE, UNIT, Business, check_ledger, open_business
from tests.billing.test_rate_cards import load


async def test_the_sums_of_each_currency(fresh_house: House) -> None:
    one, other = await open_business(fresh_house), await open_business(fresh_house)
    items = [one.item(), one.item(category=MARKETING), one.item(), other.item(category=SERVICE)]
    await one.reserve(*items)
    await one.receipt("delivered", items[1].message_id)
    await one.receipt("refused", items[2].message_id)
    response = await one.operator.CheckLedger(pb.CheckLedgerRequest())
    assert list(response.faults) == []
    sums = {each.debits.currency_code: each for each in response.currencies}
    assert list(sums) == sorted([one.currency, other.currency])
    first, second = sums[one.currency], sums[other.currency]
    # 10 came in, 6 were held, 4 captured, 1 given back.
    assert first.debits == first.credits == one.money(21 * UNIT)
    assert first.available == one.money(5 * UNIT)
    assert first.reserved == one.money(UNIT)
    assert first.revenue == one.money(4 * UNIT)
    assert (first.entry_count, first.open_reservation_count) == (6, 1)
    assert second.debits == second.credits == other.money(10 * UNIT + UNIT // 2)
    assert (second.entry_count, second.open_reservation_count) == (2, 1)


async def test_an_empty_ledger_holds(fresh_house: House) -> None:
    operator = await fresh_house.operator()
    assert await operator.CheckLedger(pb.CheckLedgerRequest()) == pb.CheckLedgerResponse()


async def test_what_ran_out_and_is_open_still_is_looked_for_where_asked(
    fresh_house: House,
) -> None:
    business = await open_business(fresh_house)
    await business.reserve(business.item(seconds=60))
    fresh_house.clock.advance(60 + 600)
    request = pb.CheckLedgerRequest()
    assert list((await business.operator.CheckLedger(request)).faults) == []
    request.overdue_after.FromSeconds(600)
    assert list((await business.operator.CheckLedger(request)).faults) == []
    fresh_house.clock.advance(1)
    [fault] = (await business.operator.CheckLedger(request)).faults
    assert fault.startswith("reservations open that ran out: 1 (message ")


@pytest.mark.parametrize("broken", [False, True])
async def test_the_audit_as_a_job_says_it_by_its_exit_code(
    fresh_house: House, *, broken: bool
) -> None:
    business = await open_business(fresh_house)
    await business.receipt(*(["delivered", str(new_id())] if broken else ["delivered"]))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.billing.audit"),
        env={**os.environ, "HUDHUD_DATABASE_URL": fresh_house.guest_url},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    assert process.returncode == int(broken), printed
    assert printed.decode().splitlines()[-1] == f"1 entries, {int(broken)} kinds of faults"


async def test_only_an_operator_checks(house: House, business: Business) -> None:
    own = await house.business(business.business_id)
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await own.CheckLedger(pb.CheckLedgerRequest())


# What somebody with the owner's powers might do, and how CheckLedger puts it.
BREAKAGES = {
    "UPDATE balances SET balance_micros = balance_micros + 1 WHERE account = 'available'": [
        "accounts whose balances do not add up to zero: 1 (those of {business} make 1)",
        "balances that are not the sum of their entries: 1"
        " (available of {business} is 9000001, its entries make 9000000)",
    ],
    "DELETE FROM balances WHERE account = 'funding'": [
        "accounts whose balances do not add up to zero: 1",
        "balances that are not the sum of their entries: 1"
        " (funding of {business} is missing, its entries make -10000000)",
    ],
    "ALTER TABLE balances DROP CONSTRAINT never_below_zero;"
    "UPDATE balances SET balance_micros = -balance_micros": [
        "balances below zero: 2 (available of {business} is -9000000, reserved of",
        "balances that are not the sum of their entries: 3",
    ],
    "UPDATE entries SET currency_code = 'XXX' WHERE type = 'top_up'": [
        "entries in another currency than their account: 1",
    ],
    "DROP INDEX entries_once;"
    "INSERT INTO entries (business_id, type, from_account, to_account, amount_micros,"
    " currency_code, reference_id, category, create_time) SELECT business_id, type, from_account,"
    " to_account, amount_micros, currency_code, reference_id, category, create_time FROM entries"
    " WHERE type = 'capture'": [
        "messages resolved more than once: 1 (message {free} of {business}, 2 times)",
    ],
    "UPDATE entries SET category = 'marketing', to_account = 'revenue_marketing'"
    " WHERE type = 'capture'": [
        "resolutions that are not of a reservation as it was made: 1",
    ],
    "DELETE FROM open_reservations": [
        "reservations that are neither resolved nor open, or both: 1 (message {paid} of",
    ],
    "INSERT INTO open_reservations (business_id, message_id, amount_micros, currency_code,"
    " category, expire_time) SELECT business_id, reference_id, amount_micros, currency_code,"
    " category, create_time FROM entries WHERE type = 'capture'": [
        "reservations that are neither resolved nor open, or both: 1 (message {free} of",
    ],
    "UPDATE rates SET price_micros = price_micros + 1": [
        "reservations whose price is not the rate they name: 1",
    ],
    "UPDATE entries SET window_open = false WHERE type = 'reservation'": [
        "reservations whose price is not the rate they name: 1",
    ],
    "DELETE FROM receipts": [
        "messages charged that nobody said were delivered: 1 (message {free} of {business})",
    ],
    "INSERT INTO receipts SELECT business_id, message_id, true, now() FROM open_reservations": [
        "messages delivered that were never charged: 1 (message {paid} of {business})",
    ],
    "UPDATE usage_months SET unit_count = unit_count + 1 WHERE category = 'utility'": [
        "usage that is not what the entries come to: 1 (utility by app to ZZ of {business} in the"
        " month of 2026-01-01: 2 units, its entries make 1)",
    ],
    "UPDATE usage_days SET amount_micros = 0": [
        "usage that is not what the entries come to: 1 (spent by {business} on 2026-01-01: 0, its"
        " entries make 1000000)",
    ],
    "UPDATE entries SET units = 2 WHERE type = 'capture'": [
        "resolutions that are not of a reservation as it was made: 1",
    ],
    "INSERT INTO free_rules (rule, channel, currency_code, amount, valid_from_time, create_time)"
    " SELECT 'reply', 'app', currency_code, 0, '2025-12-31', '2025-12-31' FROM accounts": [
        "messages free by a rule that was not in force, or beyond its allowance: 1",
    ],
    "INSERT INTO rates (category, country_code, currency_code, price_micros, valid_from_time,"
    " create_time) SELECT category, country_code, currency_code, 9, valid_from_time"
    " + interval '1 microsecond', create_time FROM rates WHERE category = 'utility';"
    "UPDATE entries SET create_time = create_time + interval '1 second'": [
        "reservations at a rate that another had replaced: 1",
    ],
    "UPDATE rates SET tier_to = 1 WHERE category = 'utility';"
    "INSERT INTO rates (category, country_code, currency_code, price_micros, valid_from_time,"
    " create_time, tier_from) SELECT category, country_code, currency_code, 1000000,"
    " valid_from_time, create_time, 2 FROM rates WHERE category = 'utility';"
    "UPDATE entries SET rate_id = (SELECT max(rate_id) FROM rates)"
    " WHERE type = 'reservation' AND rate_id IS NOT NULL": [
        "reservations in another tier than their volume's: 1 (entry 2 of {business}: number 1 of",
    ],
    "INSERT INTO entries (business_id, type, from_account, to_account, amount_micros,"
    " currency_code, reference_id, category, corrects_entry_id, create_time) SELECT business_id,"
    " 'credit_note', 'adjustments', 'available', 0, currency_code, reference_id, category,"
    " entry_id, create_time FROM entries WHERE type = 'reservation' AND amount_micros > 0": [
        "corrections that give back more than was charged, or of no charge: 1",
        "credit notes that are not booked as they say: 1",
    ],
    "INSERT INTO entries (business_id, type, from_account, to_account, amount_micros,"
    " currency_code, reference_id, category, create_time) SELECT business_id, 'late_capture',"
    " 'available', 'revenue_service', 0, currency_code, reference_id, category, create_time"
    " FROM entries WHERE type = 'capture'": [
        "late captures of what had not expired: 1",
    ],
    "UPDATE entries SET rate_id = -1 WHERE amount_micros > 0 AND type = 'reservation'": [
        "reservations whose price is not the rate they name: 1",
    ],
}


@pytest.mark.parametrize("breakage", BREAKAGES)
async def test_what_does_not_hold_is_named(fresh_house: House, breakage: str) -> None:
    business = await open_business(fresh_house)
    paid, free = business.item(), business.item(category=SERVICE, window_open=True)
    await business.reserve(paid, free)
    await business.receipt("delivered", free.message_id)
    assert await check_ledger(fresh_house) == []
    owner = await fresh_house.owner()
    for table in (
        *("entries", "balances", "rates", "open_reservations"),
        *("receipts", "usage_months", "usage_days"),
    ):
        await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    await owner.execute(breakage)
    faults = sorted(await check_ledger(fresh_house))
    words = {
        "business": business.business_id,
        "paid": paid.message_id,
        "free": free.message_id,
    }
    for expected in BREAKAGES[breakage]:
        assert any(fault.startswith(expected.format(**words)) for fault in faults), faults
    assert len(faults) == len(BREAKAGES[breakage]), faults


@pytest.mark.parametrize(
    "breakage",
    [
        "entry_point_time = NULL",
        "entry_point_time = create_time - interval '72 hours',"
        " entry_point_answer_time = create_time - interval '72 hours'",
    ],
)
async def test_what_was_free_by_an_entry_point_can_be_computed_again(
    fresh_house: House, breakage: str
) -> None:
    business = await open_business(fresh_house)
    rule = f"free_entry_point,app,,,{business.currency},,,72,,"
    await load(fresh_house, "entry points", rule, business.currency)
    item = business.item(category=MARKETING)
    item.entry_point_time.FromDatetime(fresh_house.clock.now())
    item.entry_point_answer_time.FromDatetime(fresh_house.clock.now())
    assert await business.reserve(item) == [0]
    assert await check_ledger(fresh_house) == []
    owner = await fresh_house.owner()
    await owner.execute("ALTER TABLE entries DISABLE TRIGGER USER")
    await owner.execute(f"UPDATE entries SET {breakage} WHERE type = 'reservation'")
    [fault] = await check_ledger(fresh_house)
    assert fault.startswith("messages free by a rule that was not in force")
