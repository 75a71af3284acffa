"""What becomes of reservations, as ledgers to read: each is resolved once, whatever comes when."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.billing.settlement import expire_reservations
from services.kit.clock import new_id
from services.local.certificates import Authority
from tests.billing.house import House, running_billing
from tests.billing.ledger_cases import play
from tests.billing.parties import UNIT, check_ledger, open_business
from tests.fixtures.postgres import PostgresForTests

CASES = {
    "delivered": """
        step                          | available | reserved | revenue | unsettled
        top up 10                     |        10 |          |         |
        reserve a marketing           |         6 |        4 |         |
        delivered a                   |         6 |          |       4 |
        read a                        |         6 |          |       4 |
    """,
    "delivered to three devices": """
        step                          | available | reserved | revenue | unsettled
        top up 10                     |        10 |          |         |
        reserve a marketing           |         6 |        4 |         |
        delivered a a and delivered a |         6 |          |       4 |
        delivered a and read a        |         6 |          |       4 |
    """,
    "refused by every device": """
        step                          | available | reserved | revenue | unsettled
        top up 10                     |        10 |          |         |
        reserve a marketing           |         6 |        4 |         |
        refused a                     |        10 |          |         |
    """,
    "given up by messaging": """
        step                          | available | reserved | revenue | unsettled
        top up 10                     |        10 |          |         |
        reserve a utility             |         9 |        1 |         |
        expired a                     |        10 |          |         |
    """,
    "never heard of again": """
        step                          | available | reserved | revenue | unsettled
        top up 10                     |        10 |          |         |
        reserve a utility for 60 s    |         9 |        1 |         |
        reserve b utility for 120 s   |         8 |        2 |         |
        wait 59 s                     |         8 |        2 |         |
        wait 1 s                      |         9 |        1 |         |
        wait 60 s                     |        10 |          |         |
        wait 60 s                     |        10 |          |         |
    """,
    "many that ran out together": """
        step                          | available | reserved | revenue | unsettled
        top up 10                     |        10 |          |         |
        reserve a utility for 60 s    |         9 |        1 |         |
        reserve b utility for 60 s    |         8 |        2 |         |
        reserve c utility for 60 s    |         7 |        3 |         |
        reserve d utility for 60 s    |         6 |        4 |         |
        reserve e reply for 60 s      |       5.5 |      4.5 |         |
        delivered c                   |       5.5 |      3.5 |       1 |
        wait 60 s                     |         9 |          |       1 |
    """,
    "every receipt twice": """
        step                          | available | reserved | revenue | unsettled
        top up 10                     |        10 |          |         |
        reserve a marketing           |         6 |        4 |         |
        reserve b utility             |         5 |        5 |         |
        delivered a a and refused b b |         6 |          |       4 |
        delivered a and refused b     |         6 |          |       4 |
        expired b                     |         6 |          |       4 |
    """,
    "read before delivered": """
        step                          | available | reserved | revenue | unsettled
        top up 10                     |        10 |          |         |
        reserve a marketing           |         6 |        4 |         |
        read a                        |         6 |          |       4 |
        delivered a                   |         6 |          |       4 |
    """,
    "given up by both": """
        step                          | available | reserved | revenue | unsettled
        top up 10                     |        10 |          |         |
        reserve a utility for 60 s    |         9 |        1 |         |
        wait 60 s                     |        10 |          |         |
        expired a                     |        10 |          |         |
    """,
    "delivered after its reservation ran out": """
        step                          | available | reserved | revenue | unsettled
        top up 10                     |        10 |          |         |
        reserve a utility for 60 s    |         9 |        1 |         |
        wait 60 s                     |        10 |          |         |
        delivered a                   |         9 |          |       1 |
        read a                        |         9 |          |       1 |
        expired a                     |         9 |          |       1 |         1
    """,
    "delivered and given up": """
        step                          | available | reserved | revenue | unsettled
        top up 10                     |        10 |          |         |
        reserve a utility             |         9 |        1 |         |
        delivered a and expired a     |         9 |          |       1 |         1
        reserve b utility             |         8 |        1 |       1 |         1
        expired b                     |         9 |          |       1 |         1
        delivered b                   |         9 |          |       1 |         2
    """,
    "never reserved": """
        step                          | available | reserved | revenue | unsettled
        top up 10                     |        10 |          |         |
        delivered a                   |        10 |          |         |         1
        refused b                     |        10 |          |         |         2
    """,
    "free, with every step booked": """
        step                          | available | reserved | revenue | unsettled
        reserve a reply in the window |           |          |         |
        reserve b reply in the window |           |          |         |
        delivered a and refused b     |           |          |         |
        delivered a                   |           |          |         |
    """,
    "on credit": """
        step                                      | available | owed | reserved | revenue
        top up 5                                  |         5 |      |          |
        credit 6                                  |         5 |      |          |
        reserve a marketing                       |         1 |      |        4 |
        reserve b marketing                       |         1 |    4 |        8 |
        reserve c marketing : INSUFFICIENT_CREDIT |         1 |    4 |        8 |
        reserve d utility                         |           |    4 |        9 |
        delivered a and refused b                 |           |      |        1 |       4
        reserve c marketing                       |           |    4 |        5 |       4
        delivered c d                             |           |    4 |          |       9
        top up 3                                  |           |    1 |          |       9
        top up 3                                  |         2 |      |          |       9
    """,
    "late, with nothing left": """
        step                               | available | owed | reserved | revenue
        top up 4                           |         4 |      |          |
        reserve a marketing for 60 s       |           |      |        4 |
        wait 60 s                          |         4 |      |          |
        reserve b marketing                |           |      |        4 |
        delivered a                        |           |    4 |        4 |       4
        delivered b                        |           |    4 |          |       8
        top up 5                           |         1 |      |          |       8
    """,
    "given back": """
        step                                       | available | reserved | revenue | given back
        top up 4                                   |         4 |          |         |
        reserve a marketing                        |           |        4 |         |
        give back 1 of a : ENTRY_NOT_CHARGED       |           |        4 |         |
        delivered a                                |           |          |       4 |
        give back 1.5 of a                         |       1.5 |          |       4 |        1.5
        give back 2.6 of a : CREDIT_EXCEEDS_CHARGE |       1.5 |          |       4 |        1.5
        give back 2.5 of a                         |         4 |          |       4 |          4
        give back 0.1 of a : CREDIT_EXCEEDS_CHARGE |         4 |          |       4 |          4
    """,
    "spent to the last, given back, spent again": """
        step                                    | available | reserved | revenue | unsettled
        top up 4.5                              |       4.5 |          |         |
        reserve a marketing                     |       0.5 |        4 |         |
        reserve b utility : INSUFFICIENT_CREDIT |       0.5 |        4 |         |
        reserve c reply                         |           |      4.5 |         |
        reserve d reply : INSUFFICIENT_CREDIT   |           |      4.5 |         |
        reserve e reply in the window           |           |      4.5 |         |
        refused a                               |         4 |      0.5 |         |
        reserve b utility                       |         3 |      1.5 |         |
        delivered b c                           |         3 |          |     1.5 |
    """,
}


@pytest.fixture(scope="module")
async def settling_house(postgres: PostgresForTests, authority: Authority) -> AsyncIterator[House]:
    """A billing for this module: its ledger comes to hold receipts that nobody settles."""
    async with running_billing(postgres, authority) as house:
        yield house


@pytest.mark.parametrize("name", CASES)
async def test_a_ledger(settling_house: House, name: str) -> None:
    business = await open_business(settling_house, micros=0)
    await play(business, CASES[name])
    faults = await check_ledger(settling_house)
    # Whatever could not be booked is named, and nothing else is.
    assert all(fault.startswith("messages whose receipt could not be booked") for fault in faults)
    assert not await business.unsettled() or faults


async def test_a_receipt_is_settled_at_once_with_its_whole_batch(settling_house: House) -> None:
    one, other = await open_business(settling_house), await open_business(settling_house)
    items = [business.item() for business in (one, other) for _ in range(3)]
    await one.reserve(*items)
    await one.receipt("delivered", *(item.message_id for item in items[:3]))
    assert await one.balances() == (7 * UNIT, 0)
    assert await other.balances() == (7 * UNIT, 3 * UNIT)


async def test_a_receipt_names_the_business_that_pays(settling_house: House) -> None:
    one, other = await open_business(settling_house), await open_business(settling_house)
    item = one.item()
    await one.reserve(item)
    await other.receipt("delivered", item.message_id)
    assert await one.balances() == (9 * UNIT, UNIT)
    assert await other.unsettled() == [f"{item.message_id} capture None"]


async def test_replicas_that_settle_and_expire_at_once_resolve_each_message_once(
    settling_house: House,
) -> None:
    business = await open_business(settling_house, micros=300 * UNIT)
    items = [business.item(seconds=60) for _ in range(300)]
    await business.reserve(*items)
    business.house.clock.advance(60)
    ids = [item.message_id for item in items]
    await asyncio.gather(
        *(expire_reservations(settling_house.database, 50) for _ in range(12)),
        *(business.receipt("delivered", *ids[start : start + 50]) for start in range(0, 300, 25)),
        *(business.receipt("refused", *ids[start : start + 50]) for start in range(0, 300, 25)),
    )
    while await expire_reservations(settling_house.database):
        pass
    ledger = await business.ledger()
    assert ledger["reserved"] == 0
    assert ledger["available"] + ledger["revenue"] == 300 * UNIT
    entries = await business.entries()
    captured = sum(entry == ("CAPTURE", UNIT) for entry in entries)
    late = sum(entry == ("LATE_CAPTURE", UNIT) for entry in entries)
    assert len(entries) == 1 + 2 * 300 + late
    assert ledger["revenue"] == (captured + late) * UNIT
    # Each message got both receipts: of one that had not expired, one could not be booked.
    expired = sum(entry == ("EXPIRY", UNIT) for entry in entries)
    assert 300 - expired <= len(await business.unsettled()) <= 300
    assert late == expired


async def test_each_receipt_that_cannot_be_booked_has_its_own_reason(fresh_house: House) -> None:
    one, other = await open_business(fresh_house), await open_business(fresh_house)
    released, captured = one.item(), one.item()
    await one.reserve(released, captured)
    await one.receipt("refused", released.message_id)
    await one.receipt("delivered", captured.message_id)
    before = await one.ledger(), await other.ledger()
    await one.receipt("delivered", released.message_id)
    await one.receipt("refused", captured.message_id)
    await other.receipt("delivered", captured.message_id)
    assert (await one.ledger(), await other.ledger()) == before
    [fault] = await check_ledger(fresh_house)
    for message, business, reason in (
        (released, one, "delivered, but released before"),
        (captured, one, "refused or given up, but captured before"),
        (captured, other, "delivered, but never reserved"),
    ):
        assert f"{message.message_id} of {business.business_id}: {reason}" in fault


async def test_a_message_of_a_business_without_an_account_is_named(fresh_house: House) -> None:
    business = await open_business(fresh_house)
    stranger, message_id = str(new_id()), str(new_id())
    business.business_id = stranger
    await business.receipt("delivered", message_id)
    [fault] = await check_ledger(fresh_house)
    assert f"message {message_id} of {stranger}: delivered, but never reserved" in fault
