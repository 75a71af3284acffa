"""AddRates and ListRates: prices that begin, and never change what was."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from hudhud.billing.v1 import account_pb2
from hudhud.billing.v1 import billing_service_pb2 as pb
from services.billing.actions.create_reservations import create_reservations
from services.billing.domain.rate_card import RateCard
from services.billing.store.accounts import hold_for_reserving
from services.billing.wire import read_item
from services.kit.errors import Refusal
from tests.billing.house import House
from tests.billing.parties import (
    AUTHENTICATION,
    MARKETING,
    UNIT,
    UTILITY,
    Business,
    check_ledger,
    new_currency,
)


def rate(
    house: House,
    currency: str,
    micros: int = UNIT,
    *,
    category: Any = UTILITY,
    country: str = "ZZ",
    after_seconds: float | None = None,
) -> account_pb2.Rate:
    made = account_pb2.Rate(
        category=category,
        country_code=country,
        price=account_pb2.Money(currency_code=currency, amount_micros=micros),
    )
    if after_seconds is not None:
        made.valid_from_time.FromDatetime(house.clock.now() + timedelta(seconds=after_seconds))
    return made


async def add(house: House, *rates: account_pb2.Rate) -> list[account_pb2.Rate]:
    operator = await house.operator()
    return list((await operator.AddRates(pb.AddRatesRequest(rates=rates))).rates)


async def refusal_of(call: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value


async def in_force(house: House, currency: str, at_seconds: float = 0) -> list[tuple[str, int]]:
    """Country and price of every utility rate in the currency, at a time from now."""
    request = pb.ListRatesRequest(page_size=5000)
    request.at_time.FromDatetime(house.clock.now() + timedelta(seconds=at_seconds))
    response = await (await house.anyone()).ListRates(request)
    return [
        (rate.country_code, rate.price.amount_micros)
        for rate in response.rates
        if rate.price.currency_code == currency
    ]


async def test_a_rate_without_a_time_begins_now(house: House) -> None:
    currency = new_currency()
    [added] = await add(house, rate(house, currency))
    assert added.valid_from_time.ToDatetime() == house.clock.now().replace(tzinfo=None)
    assert await in_force(house, currency) == [("ZZ", UNIT)]


async def test_a_rate_takes_the_place_of_another_from_its_time_on(business: Business) -> None:
    house, currency = business.house, business.currency
    await add(house, rate(house, currency, 3 * UNIT, after_seconds=60))
    assert (await in_force(house, currency, 59.999))[0] == ("ZZ", UNIT)
    assert (await in_force(house, currency, 60))[0] == ("ZZ", 3 * UNIT)
    house.clock.advance(59)
    early = business.item()
    assert await business.reserve(early) == [UNIT]
    house.clock.advance(1)
    assert await business.reserve(business.item()) == [3 * UNIT]
    # What was reserved at the old price is captured at it.
    await business.receipt("delivered", early.message_id)
    assert await business.entries(early.message_id) == [("RESERVATION", UNIT), ("CAPTURE", UNIT)]


async def test_a_replica_that_has_priced_before_knows_a_rate_that_begins_now(
    business: Business,
) -> None:
    card = RateCard()
    database = business.house.database

    async def price() -> int:
        [outcome] = await create_reservations(database, card, [read_item(business.item())])
        assert not isinstance(outcome, Refusal)
        return outcome.amount_micros

    assert await price() == UNIT
    business.house.clock.advance(1)
    await business.add_rate(UTILITY, 2 * UNIT)
    assert await price() == 2 * UNIT


async def test_no_rate_begins_while_a_reservation_is_being_priced(business: Business) -> None:
    """Whoever has taken the old price commits before the new one begins."""
    house, observer = business.house, await business.house.guest()
    async with house.database.transaction("test") as connection:
        available, _ = await hold_for_reserving(connection, [UUID(business.business_id)])
        assert len(available) == 1
        adding = asyncio.ensure_future(business.add_rate(UTILITY, 2 * UNIT))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not await observer.fetchval(waiting):
            assert not adding.done()
        house.clock.advance(1)
        begins = house.clock.now()
    await adding
    response = await (await house.anyone()).ListRates(pb.ListRatesRequest(page_size=5000))
    [added] = [
        rate
        for rate in response.rates
        if rate.price == business.money(2 * UNIT) and rate.category == UTILITY
    ]
    assert added.valid_from_time.ToDatetime() == begins.replace(tzinfo=None)
    assert await check_ledger(house) == []


async def test_a_rate_in_the_past_is_refused(house: House) -> None:
    refusal = await refusal_of(add(house, rate(house, new_currency(), after_seconds=-0.001)))
    assert refusal.reason.name == "RATE_IN_THE_PAST"


async def test_rates_that_begin_together_are_refused_and_named(house: House) -> None:
    currency = new_currency()
    await add(house, rate(house, currency, after_seconds=60))
    refusal = await refusal_of(
        add(
            house,
            rate(house, currency, country="QA", after_seconds=60),
            rate(house, currency, 2 * UNIT, after_seconds=60),
            rate(house, currency, 3 * UNIT, country="QA", after_seconds=60),
            rate(house, currency, country="SY", after_seconds=61),
        )
    )
    assert refusal.reason.name == "RATE_OVERLAPS"
    assert [violation.field for violation in refusal.violations] == ["rates[1]", "rates[2]"]
    # All are added or none.
    assert await in_force(house, currency, 61) == [("ZZ", UNIT)]


async def test_two_who_add_the_same_at_once_do_not_both(house: House) -> None:
    currency = new_currency()
    outcomes = await asyncio.gather(
        *(add(house, rate(house, currency, after_seconds=60)) for _ in range(8)),
        return_exceptions=True,
    )
    refusals = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    assert [refusal.reason.name for refusal in refusals] == ["RATE_OVERLAPS"] * 7


@pytest.mark.parametrize("micros", [-1, 10**15 + 1])
async def test_a_price_is_nothing_or_more_and_within_bounds(house: House, micros: int) -> None:
    currency = new_currency()
    good, bad = rate(house, currency), rate(house, currency, micros, country="SY")
    refusal = await refusal_of(add(house, good, bad))
    assert refusal.reason.name == "AMOUNT_INVALID"
    assert refusal.violations[0].field == "rates[1]"
    assert await in_force(house, currency) == []


async def test_a_price_may_be_nothing(business: Business) -> None:
    await business.add_rate(AUTHENTICATION, 0)
    assert await business.reserve(business.item(category=AUTHENTICATION)) == [0]
    assert await check_ledger(business.house) == []


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("rates[0].category", {"category": 0}),
        ("rates[0].category", {"category": 99}),
        ("rates[0].country_code", {"country_code": ""}),
        ("rates[0].country_code", {"country_code": "sy"}),
        ("rates[0].country_code", {"country_code": "Syria"}),
        ("rates[0].price", {"price": None}),
        ("rates[0].price.currency_code", {"price": account_pb2.Money(amount_micros=1)}),
    ],
)
async def test_a_rate_that_breaks_a_rule_is_refused(
    house: House, field: str, change: dict[str, Any]
) -> None:
    good = {
        "category": UTILITY,
        "country_code": "SY",
        "price": account_pb2.Money(currency_code="USD", amount_micros=1),
    }
    refusal = await refusal_of(add(house, account_pb2.Rate(**{**good, **change})))
    assert refusal.reason.name == "INVALID_FIELD"
    assert refusal.violations[0].field == field


async def test_a_time_that_no_calendar_has_is_refused(house: House) -> None:
    bad = rate(house, new_currency())
    bad.valid_from_time.seconds = 2**62
    refusal = await refusal_of(add(house, bad))
    assert refusal.metadata["field"] == "rates[0].valid_from_time"
    request = pb.ListRatesRequest()
    request.at_time.seconds = -(2**62)
    refusal = await refusal_of((await house.anyone()).ListRates(request))
    assert refusal.metadata["field"] == "at_time"


async def test_an_empty_list_of_rates_is_refused(house: House) -> None:
    assert (await refusal_of(add(house))).reason.name == "INVALID_FIELD"


async def test_only_an_operator_adds_rates(house: House, business: Business) -> None:
    own = await house.business(business.business_id)
    request = pb.AddRatesRequest(rates=[rate(house, business.currency)])
    assert (await refusal_of(own.AddRates(request))).reason.name == "CALLER_NOT_ALLOWED"


async def test_rates_are_listed_in_pages_of_one_time(fresh_house: House) -> None:
    house, currency = fresh_house, new_currency()
    countries = ["AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AR"]
    await add(
        house,
        *(rate(house, currency, country=country) for country in countries),
        *(rate(house, currency, category=MARKETING, country=country) for country in countries),
    )
    house.clock.advance(10)
    anyone = await house.anyone()
    request = pb.ListRatesRequest(page_size=4)
    listed = []
    while True:
        response = await anyone.ListRates(request)
        listed += [(rate.category, rate.country_code) for rate in response.rates]
        assert {rate.price.amount_micros for rate in response.rates} == {UNIT}
        if not response.next_page_token:
            break
        request.page_token = response.next_page_token
        # What begins between two pages belongs to neither.
        house.clock.advance(1)
        await add(house, *(rate(house, currency, 2 * UNIT, country=each) for each in countries))
    kinds = [(category, country) for category in (UTILITY, MARKETING) for country in countries]
    assert listed == kinds


@pytest.mark.parametrize(
    "token", ["?", "1.utility.SY", "1.gifts.SY.USD", "x.utility.SY.USD", "9" * 99]
)
async def test_a_page_token_that_no_answer_gave_is_refused(house: House, token: str) -> None:
    refusal = await refusal_of(
        (await house.anyone()).ListRates(pb.ListRatesRequest(page_token=token))
    )
    assert refusal.metadata["field"] == "page_token"


@pytest.mark.parametrize("page_size", [-1, 5001])
async def test_a_page_has_its_bounds(house: House, page_size: int) -> None:
    refusal = await refusal_of(
        (await house.anyone()).ListRates(pb.ListRatesRequest(page_size=page_size))
    )
    assert refusal.metadata["field"] == "page_size"
