"""CreateReservations: prices, credit, order, repetition, and batches from many at once."""

import asyncio
from typing import Any

import pytest

from hudhud.billing.v1 import billing_service_pb2 as pb
from services.billing.actions.create_reservations import create_reservations
from services.billing.domain.rate_card import RateCard
from services.billing.wire import read_item
from services.kit.client import PeerFault
from services.kit.clock import new_id
from tests.billing.house import House
from tests.billing.parties import (
    AUTHENTICATION,
    MARKETING,
    SERVICE,
    UNIT,
    UTILITY,
    Business,
    check_ledger,
    new_currency,
    open_business,
    outcomes_of,
)


async def test_a_message_is_held_at_its_price(business: Business) -> None:
    assert await business.reserve(
        business.item(category=UTILITY), business.item(category=MARKETING)
    ) == [UNIT, 4 * UNIT]
    assert await business.balances() == (5 * UNIT, 5 * UNIT)


async def test_a_country_s_own_rate_goes_before_the_one_for_everywhere(business: Business) -> None:
    await business.add_rate(UTILITY, 3 * UNIT, country="SY")
    assert await business.reserve(business.item(country="SY"), business.item(country="QA")) == [
        3 * UNIT,
        UNIT,
    ]


async def test_a_reply_is_free_inside_its_window_and_paid_outside(business: Business) -> None:
    free, paid = (
        business.item(category=SERVICE, window_open=True),
        business.item(category=SERVICE, window_open=False),
    )
    assert await business.reserve(free, paid) == [0, UNIT // 2]
    # What costs nothing leaves a trace all the same.
    assert await business.entries(free.message_id) == [("RESERVATION", 0)]
    await business.receipt("delivered", free.message_id)
    assert await business.entries(free.message_id) == [("RESERVATION", 0), ("CAPTURE", 0)]


async def test_only_a_reply_is_free_for_its_window(business: Business) -> None:
    assert await business.reserve(business.item(category=UTILITY, window_open=True)) == [UNIT]


async def test_without_a_price_nothing_is_held(business: Business) -> None:
    assert await business.reserve(
        business.item(category=AUTHENTICATION), business.item(category=UTILITY)
    ) == ["NO_RATE", UNIT]


async def test_a_country_without_any_rate_has_no_price(house: House) -> None:
    business = await open_business(house, currency=new_currency())
    await business.add_rate(UTILITY, UNIT, country="QA")
    assert await business.reserve(business.item(country="QA"), business.item(country="SY")) == [
        UNIT,
        "NO_RATE",
    ]


async def test_without_an_account_nothing_is_held(business: Business) -> None:
    stranger = business.item()
    stranger.business_id = str(new_id())
    assert await business.reserve(stranger, business.item()) == ["ACCOUNT_NOT_FOUND", UNIT]


async def test_money_goes_to_whoever_asked_first_and_to_whoever_it_still_reaches(
    business: Business,
) -> None:
    items = [business.item(category=category) for category in (MARKETING, MARKETING, MARKETING)]
    items += [business.item(), business.item(), business.item()]
    refusal = "INSUFFICIENT_CREDIT"
    assert await business.reserve(*items) == [4 * UNIT, 4 * UNIT, refusal, UNIT, UNIT, refusal]
    assert await business.balances() == (0, 10 * UNIT)


async def test_a_refusal_says_what_is_missing_and_leaves_nothing_behind(
    business: Business,
) -> None:
    spent = [business.item(category=MARKETING) for _ in range(2)]
    await business.reserve(*spent)
    item = business.item(category=MARKETING)
    response = await business.messaging.CreateReservations(
        pb.CreateReservationsRequest(items=[item])
    )
    refusal = response.outcomes[0].refusal
    assert (refusal.reason, refusal.domain) == ("INSUFFICIENT_CREDIT", "billing.hudhud")
    assert refusal.metadata["price_micros"] == str(4 * UNIT)
    assert refusal.metadata["available_micros"] == str(2 * UNIT)
    assert f"4.00 {business.currency}" in refusal.message
    await business.top_up(2 * UNIT)
    assert await business.reserve(item) == [4 * UNIT]


async def test_the_same_message_again_gets_the_first_answer_again(business: Business) -> None:
    item = business.item(seconds=60)
    assert await business.reserve(item) == [UNIT]
    await business.add_rate(UTILITY, 2 * UNIT, after_seconds=0.5)
    business.house.clock.advance(1)
    later = business.item(item.message_id, window_open=True, seconds=600)
    assert await business.reserve(later, item, business.item()) == [UNIT, UNIT, 2 * UNIT]
    await business.receipt("delivered", item.message_id)
    assert await business.reserve(item) == [UNIT]
    assert await business.entries(item.message_id) == [("RESERVATION", UNIT), ("CAPTURE", UNIT)]


async def test_what_is_held_no_more_promises_nothing(business: Business) -> None:
    item = business.item(seconds=60)
    assert await business.reserve(item) == [UNIT]
    # It would arrive, at the latest, when its money is held no more.
    much_longer = business.item(item.message_id, seconds=60 + 12 * 3600 + 1)
    assert await business.reserve(much_longer) == ["RESERVATION_ENDED"]
    business.house.clock.advance(61)
    again = business.item(item.message_id, seconds=60)
    assert await business.reserve(again) == ["RESERVATION_ENDED"]
    assert await business.entries(item.message_id) == [("RESERVATION", UNIT)]


@pytest.mark.parametrize("change", [{"category": MARKETING}, {"country": "QA"}])
async def test_an_id_stands_for_one_message(business: Business, change: dict[str, Any]) -> None:
    item = business.item()
    other = business.item(item.message_id, **change)
    # In one request, and in another.
    assert await business.reserve(item, other) == [UNIT, "MESSAGE_ID_REUSED"]
    assert await business.reserve(other, item) == ["MESSAGE_ID_REUSED", UNIT]
    assert await business.balances() == (9 * UNIT, UNIT)


async def test_twice_in_one_request_is_held_once(business: Business) -> None:
    item = business.item()
    assert await business.reserve(item, item, item) == [UNIT] * 3
    assert await business.balances() == (9 * UNIT, UNIT)


async def test_the_same_id_of_two_businesses_stands_for_two_messages(
    house: House, business: Business
) -> None:
    other = await open_business(house)
    message_id = new_id()
    assert await business.reserve(business.item(message_id), other.item(message_id)) == [UNIT] * 2
    await other.receipt("delivered", str(message_id))
    assert await business.balances() == (9 * UNIT, UNIT)
    assert await other.balances() == (9 * UNIT, 0)


async def test_bad_items_are_refused_one_by_one(business: Business) -> None:
    def broken(**values: Any) -> pb.ReservationItem:
        item = business.item()
        for name, value in values.items():
            setattr(item, name, value)
        return item

    over = business.item(seconds=0)
    timeless = business.item()
    timeless.ClearField("expire_time")
    never = business.item()
    never.expire_time.seconds = 2**62
    bad = [
        broken(message_id="4711"),
        broken(message_id=str(new_id()).upper()),
        broken(business_id=""),
        broken(category=0),
        broken(category=99),
        broken(destination_country="Syria"),
        broken(destination_country=""),
        over,
        timeless,
        never,
    ]
    response = await business.messaging.CreateReservations(
        pb.CreateReservationsRequest(items=[*bad, business.item()])
    )
    assert outcomes_of(response) == ["INVALID_FIELD"] * len(bad) + [UNIT]
    fields = [outcome.refusal.metadata["field"] for outcome in response.outcomes[:-1]]
    assert fields == [
        "message_id",
        "message_id",
        "business_id",
        "category",
        "category",
        "destination_country",
        "destination_country",
        "expire_time",
        "expire_time",
        "expire_time",
    ]


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_request_has_from_one_to_a_thousand_items(business: Business, count: int) -> None:
    with pytest.raises(PeerFault, match="INVALID_FIELD"):
        await business.reserve(*[business.item() for _ in range(count)])


async def test_only_messaging_reserves(house: House, business: Business) -> None:
    request = pb.CreateReservationsRequest(items=[business.item()])
    with pytest.raises(PeerFault, match="CALLER_NOT_ALLOWED"):
        await (await house.service("edge")).CreateReservations(request)


async def test_sixty_four_batches_on_one_account_never_overdraw_it(house: House) -> None:
    business = await open_business(house, micros=1000 * UNIT)
    batches = [[business.item() for _ in range(32)] for _ in range(64)]
    outcomes = [
        outcome
        for batch in await asyncio.gather(*(business.reserve(*batch) for batch in batches))
        for outcome in batch
    ]
    assert outcomes.count(UNIT) == 1000
    assert outcomes.count("INSUFFICIENT_CREDIT") == 64 * 32 - 1000
    assert await business.balances() == (0, 1000 * UNIT)
    assert await check_ledger(house) == []


async def test_batches_over_the_same_businesses_in_any_order_do_not_block_each_other(
    house: House,
) -> None:
    businesses = [await open_business(house, micros=1000 * UNIT) for _ in range(4)]

    # Straight on the database, as from many replicas: nothing is coalesced.
    async def reserve(turn: int) -> int:
        order = businesses[turn % 4 :] + businesses[: turn % 4]
        items = [read_item(business.item()) for business in order for _ in range(8)]
        return len(await create_reservations(house.database, RateCard(), items))

    assert await asyncio.gather(*map(reserve, range(32))) == [32] * 32
    assert [await business.balances() for business in businesses] == [(744 * UNIT, 256 * UNIT)] * 4
