"""SetAccountTerms and SetSpendingLimits: credit, caps, alerts."""

import asyncio
from typing import Any

import asyncpg
import pytest

from hudhud.billing.v1 import account_pb2
from hudhud.billing.v1 import billing_service_pb2 as pb
from services.billing.settlement import expire_reservations
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.billing.house import House
from tests.billing.parties import (
    MARKETING,
    UNIT,
    Business,
    check_ledger,
    open_business,
    set_terms,
    terms,
)


async def set_limits(business: Business, **micros: Any) -> Any:
    own = await business.house.business(business.business_id)
    request = pb.SetSpendingLimitsRequest(
        business_id=business.business_id, limits=terms(business, **micros)
    )
    return (await own.SetSpendingLimits(request)).account


async def account_of(business: Business) -> Any:
    request = pb.GetAccountRequest(business_id=business.business_id)
    return (await business.operator.GetAccount(request)).account


async def alerts_of(business: Business) -> list[tuple[str, int, int]]:
    """Kind, level and amount of every alert that goes out."""
    async with business.house.database.connection("test") as connection:
        rows = await connection.fetch(
            "SELECT payload FROM outbox WHERE subject = 'hudhud.billing.account.alert' ORDER BY id"
        )
    alerts = [account_pb2.AccountAlert.FromString(row[0]) for row in rows]
    return [
        (
            account_pb2.AccountAlert.Kind.Name(alert.kind)[len("KIND_") :],
            alert.level.amount_micros // UNIT,
            alert.amount.amount_micros // UNIT,
        )
        for alert in alerts
        if alert.business_id == business.business_id
    ]


async def test_credit_is_used_after_what_was_paid_in_and_ends_at_its_limit(house: House) -> None:
    business = await open_business(house, 5 * UNIT)
    await set_terms(business, credit_limit=6 * UNIT)
    items = [business.item(category=MARKETING) for _ in range(3)]
    # 4 of the 5 paid in, 4 on credit, and neither 1 nor 2 reaches for the third.
    assert await business.reserve(*items, business.item()) == [
        4 * UNIT,
        4 * UNIT,
        "INSUFFICIENT_CREDIT",
        UNIT,
    ]
    account = await account_of(business)
    assert (account.available, account.owed) == (business.money(0), business.money(4 * UNIT))
    await business.receipt("delivered", items[0].message_id)
    await business.receipt("refused", items[1].message_id)
    ledger = await business.ledger()
    # Each goes back to where it came from.
    assert (ledger["available"], ledger["receivable"], ledger["reserved"]) == (0, 0, UNIT)
    assert await check_ledger(house) == []


async def test_money_that_comes_in_settles_what_is_owed_first(house: House) -> None:
    business = await open_business(house, 0)
    await set_terms(business, credit_limit=8 * UNIT)
    items = [business.item(category=MARKETING) for _ in range(2)]
    await business.reserve(*items)
    await business.receipt("delivered", items[0].message_id)
    await business.top_up(3 * UNIT)
    account = await account_of(business)
    assert (account.available.amount_micros, account.owed.amount_micros) == (0, 5 * UNIT)
    await business.top_up(7 * UNIT)
    account = await account_of(business)
    assert (account.available.amount_micros, account.owed.amount_micros) == (2 * UNIT, 0)
    assert await business.entries() == [
        ("RESERVATION", 4 * UNIT),
        ("RESERVATION", 4 * UNIT),
        ("CAPTURE", 4 * UNIT),
        ("TOP_UP", 3 * UNIT),
        ("REPAYMENT", 3 * UNIT),
        ("TOP_UP", 7 * UNIT),
        ("REPAYMENT", 5 * UNIT),
    ]
    # What was paid for and then refused is the business's again.
    await business.receipt("refused", items[1].message_id)
    assert (await account_of(business)).owed.amount_micros == -4 * UNIT
    assert await business.reserve(business.item(category=MARKETING)) == [4 * UNIT]
    assert await check_ledger(house) == []


async def test_credit_that_is_taken_away_stays_owed(house: House) -> None:
    business = await open_business(house, 0)
    await set_terms(business, credit_limit=8 * UNIT)
    item = business.item(category=MARKETING)
    await business.reserve(item)
    await set_terms(business)
    assert await business.reserve(business.item()) == ["INSUFFICIENT_CREDIT"]
    await business.receipt("delivered", item.message_id)
    assert (await account_of(business)).owed == business.money(4 * UNIT)


async def reserve_by_hand(
    business: Business, micros: int, source: str = "available", day: str = "current_date"
) -> None:
    """What a service that does not decide could do: it only says that something is reserved."""
    guest = await business.house.guest()
    await guest.execute(
        "INSERT INTO entries (business_id, type, from_account, to_account, amount_micros,"
        " currency_code, reference_id, category, destination_country, window_open, expire_time,"
        " rate_id, channel, market, units, usage_day, create_time) VALUES"
        f" ($1, 'reservation', '{source}', 'reserved', $2, $3, $4, 'utility', 'SY', false, now(),"
        f" 1, 'app', 'ZZ', 1, {day}, now())",
        business.business_id,
        micros,
        business.currency,
        new_id(),
    )


async def test_the_database_ends_credit_and_what_was_paid_in_too(fresh_house: House) -> None:
    business = await open_business(fresh_house, UNIT)
    await set_terms(business, credit_limit=UNIT)
    with pytest.raises(asyncpg.CheckViolationError, match="beyond the credit"):
        await reserve_by_hand(business, UNIT + 1, "receivable")
    with pytest.raises(asyncpg.CheckViolationError, match="never_below_zero"):
        await reserve_by_hand(business, UNIT + 1)
    await reserve_by_hand(business, UNIT)
    await reserve_by_hand(business, UNIT, "receivable")
    with pytest.raises(asyncpg.CheckViolationError, match="beyond the credit"):
        await reserve_by_hand(business, 1, "receivable")


@pytest.mark.parametrize("cap", ["daily_cap", "monthly_cap"])
async def test_the_database_keeps_caps_too(fresh_house: House, cap: str) -> None:
    business = await open_business(fresh_house)
    await set_terms(business, **{cap: 3 * UNIT})
    await reserve_by_hand(business, 2 * UNIT)
    with pytest.raises(asyncpg.CheckViolationError, match="beyond a cap"):
        await reserve_by_hand(business, UNIT + 1)
    await reserve_by_hand(business, UNIT)
    # Once a lower cap is passed, only what costs nothing goes on.
    await set_terms(business, **{cap: UNIT})
    await reserve_by_hand(business, 0)
    with pytest.raises(asyncpg.CheckViolationError, match="beyond a cap"):
        await reserve_by_hand(business, 1)
    for day in ("NULL", "current_date - 40", "current_date + 2"):
        with pytest.raises(asyncpg.CheckViolationError, match="counts_on_its_day"):
            await reserve_by_hand(business, 1, day=day)
    await set_terms(business)
    await reserve_by_hand(business, 5 * UNIT)


async def test_many_at_once_never_pass_the_limit(house: House) -> None:
    business = await open_business(house, 0)
    await set_terms(business, credit_limit=10 * UNIT)
    outcomes = await asyncio.gather(
        *(business.reserve(business.item(), business.item()) for _ in range(12))
    )
    paid = sum(outcome == UNIT for pair in outcomes for outcome in pair)
    assert paid == 10
    assert (await account_of(business)).owed == business.money(10 * UNIT)


async def test_a_late_message_that_nobody_has_paid_for_is_owed(house: House) -> None:
    business = await open_business(house, 4 * UNIT)
    late, other = business.item(category=MARKETING, seconds=60), business.item(category=MARKETING)
    await business.reserve(late)
    house.clock.advance(60)
    while await expire_reservations(house.database):
        pass
    assert await business.reserve(other) == [4 * UNIT]
    await business.receipt("delivered", late.message_id)
    account = await account_of(business)
    assert (account.available.amount_micros, account.owed.amount_micros) == (0, 4 * UNIT)
    await business.top_up(5 * UNIT)
    account = await account_of(business)
    assert (account.available.amount_micros, account.owed.amount_micros) == (UNIT, 0)
    assert await check_ledger(house) == []


async def test_caps_of_a_day_and_a_month(house: House) -> None:
    business = await open_business(house, 100 * UNIT)
    # From a day in the middle of a month, so that neither ends by accident.
    now = house.clock.now()
    house.clock.advance((now.replace(day=10, hour=1).timestamp() - now.timestamp()) % (31 * 86400))
    day = 24 * 3600
    await set_limits(business, daily_cap=5 * UNIT, monthly_cap=8 * UNIT)
    first = business.item(category=MARKETING)
    cap = "SPENDING_CAP_REACHED"
    assert await business.reserve(first, business.item(category=MARKETING), business.item()) == [
        4 * UNIT,
        cap,
        UNIT,
    ]
    # What costs nothing is never capped, and what is given back can be spent again.
    await business.receipt("refused", first.message_id)
    assert await business.reserve(business.item(category=MARKETING)) == [4 * UNIT]
    assert await business.reserve(business.item()) == [cap]
    house.clock.advance(day)
    assert await business.reserve(*(business.item() for _ in range(4))) == [UNIT, UNIT, UNIT, cap]
    house.clock.advance(day)
    refused = await business.messaging.CreateReservations(
        pb.CreateReservationsRequest(items=[business.item()])
    )
    metadata = refused.outcomes[0].refusal.metadata
    assert (metadata["period"], metadata["left_micros"]) == ("month", "0")
    house.clock.advance(31 * day)
    assert await business.reserve(business.item()) == [UNIT]
    await set_limits(business)
    assert await business.reserve(*(business.item() for _ in range(9))) == [UNIT] * 9


async def test_a_business_is_told_once_a_day_when_a_level_is_reached(house: House) -> None:
    business = await open_business(house, 10 * UNIT)
    await set_limits(business, left_alerts=[8 * UNIT, 2 * UNIT], spent_alerts=[5 * UNIT])
    items = [business.item() for _ in range(3)]
    await business.reserve(*items[:1])
    assert await alerts_of(business) == []
    await business.reserve(*items[1:])
    assert await alerts_of(business) == [("LEFT", 8, 7)]
    # Back and forth over a level on one day is told once.
    await business.receipt("refused", *(item.message_id for item in items))
    await business.reserve(*(business.item() for _ in range(4)))
    assert await alerts_of(business) == [("LEFT", 8, 7)]
    await business.reserve(business.item(category=MARKETING))
    assert await alerts_of(business) == [("LEFT", 8, 7), ("LEFT", 2, 2), ("SPENT", 5, 8)]


async def test_bad_terms_are_refused(house: House) -> None:
    business = await open_business(house)
    own = await house.business(business.business_id)
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await own.SetAccountTerms(
            pb.SetAccountTermsRequest(
                business_id=business.business_id, terms=terms(business, credit_limit=1)
            )
        )
    with pytest.raises(Refusal, match="credit_limit"):
        await set_limits(business, credit_limit=1)
    with pytest.raises(Refusal, match=r"terms\.daily_cap"):
        await set_terms(business, daily_cap=-1)
    with pytest.raises(Refusal, match=r"limits\.left_alerts\[1\]"):
        await set_limits(business, left_alerts=[1, 10**15 + 1])
    other = account_pb2.AccountTerms(
        monthly_cap=account_pb2.Money(currency_code="USD", amount_micros=1)
    )
    with pytest.raises(Refusal, match="must be in the account's currency"):
        await own.SetSpendingLimits(
            pb.SetSpendingLimitsRequest(business_id=business.business_id, limits=other)
        )
    with pytest.raises(Refusal, match="ACCOUNT_NOT_FOUND"):
        await business.operator.SetAccountTerms(
            pb.SetAccountTermsRequest(business_id=str(new_id()), terms=account_pb2.AccountTerms())
        )
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await own.SetSpendingLimits(
            pb.SetSpendingLimitsRequest(
                business_id=str(new_id()), limits=account_pb2.AccountTerms()
            )
        )
    # Nothing of all that stayed.
    assert (await account_of(business)).terms == account_pb2.AccountTerms(
        credit_limit=business.money(0)
    )


async def test_an_account_s_zone_and_country_are_for_ever(house: House) -> None:
    business = await open_business(house, time_zone="Asia/Damascus", country_code="SY")
    account = await account_of(business)
    assert (account.time_zone, account.country_code) == ("Asia/Damascus", "SY")

    async def again(**account: str) -> Any:
        return await business.operator.CreateAccount(
            pb.CreateAccountRequest(
                business_id=business.business_id, currency_code=business.currency, **account
            )
        )

    assert (await again()).account == account
    assert (await again(time_zone="Asia/Damascus", country_code="SY")).account == account
    for other in ({"time_zone": "UTC"}, {"country_code": "QA"}):
        with pytest.raises(Refusal, match="ACCOUNT_DIFFERS"):
            await again(**other)
    for bad in ("Mars/Olympus", "../etc/passwd", "/etc/localtime", "Asia"):
        with pytest.raises(Refusal, match="INVALID_FIELD"):
            await again(time_zone=bad)
