"""What a message costs: tiers, segments, free rules, borders; and Quote, which says why."""

from datetime import timedelta
from typing import Any

import pytest

from hudhud.billing.v1 import account_pb2
from hudhud.billing.v1 import billing_service_pb2 as pb
from services.billing.settlement import expire_reservations
from services.kit.clock import new_id
from services.kit.errors import Refusal
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
)
from tests.billing.test_rate_cards import load

CARD = """
rate,app,ZZ,utility,CUR,1,2,1,,
rate,app,ZZ,utility,CUR,3,4,0.5,,
rate,app,ZZ,utility,CUR,5,,0.25,,
rate,app,QA,utility,CUR,,,2,,
rate,app,ZZ,marketing,CUR,,,4,,
rate,app,ZZ,authentication,CUR,,,0.3,,
rate,app,QA,authentication_international,CUR,,,0.9,,
rate,app,ZZ,service,CUR,,,0.1,,
rate,sms,ZZ,utility,CUR,,,0.07,,
free_allowance,app,,,CUR,,,2,,
free_entry_point,app,,,CUR,,,72,,
""".strip()


async def with_card(house: House, **account: Any) -> Business:
    business = await open_business(house, 100 * UNIT, new_currency(), **account)
    await load(house, f"prices {business.currency}", CARD, business.currency)
    return business


async def quote(business: Business, *items: pb.QuoteItem) -> list[Any]:
    own = await business.house.business(business.business_id)
    request = pb.QuoteRequest(business_id=business.business_id, items=items)
    return [
        outcome.quotation if outcome.HasField("quotation") else outcome.refusal.reason
        for outcome in (await own.Quote(request)).outcomes
    ]


async def test_each_unit_of_a_month_has_its_tier(house: House) -> None:
    business = await with_card(house)
    # In one batch, in the next, and for another market on its own.
    assert await business.reserve(*(business.item() for _ in range(3))) == [UNIT, UNIT, UNIT // 2]
    assert await business.reserve(
        business.item(), business.item(), business.item(country="QA")
    ) == [
        UNIT // 2,
        UNIT // 4,
        2 * UNIT,
    ]
    assert await check_ledger(house) == []


async def test_what_is_given_back_counts_no_more(house: House) -> None:
    business = await with_card(house)
    items = [business.item(seconds=60) for _ in range(4)]
    assert await business.reserve(*items) == [UNIT, UNIT, UNIT // 2, UNIT // 2]
    await business.receipt("refused", items[0].message_id, items[1].message_id)
    # Two are promised: the next is the third.
    assert await business.reserve(business.item()) == [UNIT // 2]
    house.clock.advance(60)
    while await expire_reservations(house.database):
        pass
    assert await business.reserve(business.item()) == [UNIT]
    # A late one counts again.
    await business.receipt("delivered", items[2].message_id)
    assert await business.reserve(business.item()) == [UNIT // 2]
    assert await check_ledger(house) == []


async def test_a_month_is_the_business_s_own(house: House) -> None:
    here = await with_card(house)
    there = await with_card(house, time_zone="Pacific/Auckland")
    now = house.clock.now()
    # On the last day of the next month, at noon in UTC, it is the first of another in Auckland.
    next_month = (now.replace(day=28) + timedelta(days=5)).replace(day=28)
    last_day = (next_month + timedelta(days=5)).replace(day=1) - timedelta(days=1)
    house.clock.advance((last_day.replace(hour=6) - now).total_seconds())
    for business in (here, there):
        assert await business.reserve(*(business.item() for _ in range(3))) == [
            UNIT,
            UNIT,
            UNIT // 2,
        ]
    house.clock.advance(6.5 * 3600)
    assert await here.reserve(here.item()) == [UNIT // 2]
    assert await there.reserve(there.item()) == [UNIT]


async def test_an_sms_costs_each_of_its_segments(house: House) -> None:
    business = await with_card(house)
    item = business.item()
    item.channel, item.segments = account_pb2.CHANNEL_SMS, 3
    assert await business.reserve(item) == [210_000]
    await business.receipt("delivered", item.message_id)
    assert await business.entries(item.message_id) == [
        ("RESERVATION", 210_000),
        ("CAPTURE", 210_000),
    ]
    other = business.item(item.message_id)
    assert await business.reserve(other) == ["MESSAGE_ID_REUSED"]
    app = business.item()
    app.segments = 2
    assert await business.reserve(app) == ["INVALID_FIELD"]


async def test_the_month_s_free_messages_are_paid_by_the_allowance(house: House) -> None:
    business = await with_card(house)
    items = [business.item(category=SERVICE) for _ in range(3)]
    assert await business.reserve(*items) == [0, 0, 100_000]
    assert await business.balances() == (100 * UNIT - 100_000, 300_000)
    await business.receipt("delivered", *(item.message_id for item in items[1:]))
    await business.receipt("refused", items[0].message_id)
    ledger = await business.ledger()
    assert (ledger["allowance"], ledger["revenue"]) == (-100_000, 200_000)
    # Nothing of it was the business's money, and the free message that was refused is free again.
    assert await business.entries(items[1].message_id) == [("RESERVATION", 0), ("CAPTURE", 0)]
    assert await business.reserve(business.item(category=SERVICE)) == [0]
    assert await check_ledger(house) == []


async def test_who_came_by_a_link_and_was_answered_in_time_is_free_for_three_days(
    house: House,
) -> None:
    business = await with_card(house)
    came = house.clock.now()

    def item(answered_after: float | None = None, category: Any = MARKETING) -> pb.ReservationItem:
        made = business.item(category=category)
        made.entry_point_time.FromDatetime(came)
        if answered_after is not None:
            made.entry_point_answer_time.FromDatetime(came + timedelta(hours=answered_after))
        return made

    # The answer itself, and whatever follows; an answer after more than a day opens nothing.
    assert await business.reserve(item(), item(answered_after=0)) == [0, 0]
    house.clock.advance(24 * 3600)
    assert await business.reserve(item(), item(answered_after=0)) == [0, 0]
    house.clock.advance(1)
    assert await business.reserve(item()) == [4 * UNIT]
    house.clock.advance(48 * 3600 - 2)
    assert await business.reserve(item(answered_after=0), item(answered_after=25)) == [0, 4 * UNIT]
    house.clock.advance(1)
    assert await business.reserve(item(answered_after=0)) == [4 * UNIT]
    assert await check_ledger(house) == []


async def test_who_comes_again_is_answered_again_and_what_was_open_stays_open(house: House) -> None:
    business = await with_card(house)
    first = house.clock.now()

    def item(came_after: float, answered_after: float) -> pb.ReservationItem:
        made = business.item(category=MARKETING)
        made.entry_point_time.FromDatetime(first + timedelta(hours=came_after))
        made.entry_point_answer_time.FromDatetime(first + timedelta(hours=answered_after))
        return made

    # Answered at once, here again after ten hours and not answered for a day and more.
    house.clock.advance(71 * 3600)
    assert await business.reserve(item(came_after=10, answered_after=0)) == [0]
    house.clock.advance(3600)
    assert await business.reserve(item(came_after=10, answered_after=0)) == [4 * UNIT]
    # Here again a third time: this is the answer.
    assert await business.reserve(item(came_after=70, answered_after=0)) == [0]
    # Said by somebody whose clock is ahead.
    assert await business.reserve(item(came_after=72.001, answered_after=72.002)) == [0]


async def test_a_rule_is_switched_off_and_on_by_later_cards(house: House) -> None:
    business = await with_card(house)

    async def reply() -> int | str:
        [price] = await business.reserve(business.item(category=SERVICE, window_open=True))
        return price

    assert await reply() == 0
    house.clock.advance(1)
    off = "free_reply,app,,,CUR,,,off,,\nfree_allowance,app,,,CUR,,,off,,"
    await load(house, f"off {business.currency}", off, business.currency)
    assert await reply() == 100_000
    house.clock.advance(1)
    await load(house, f"on {business.currency}", "free_reply,app,,,CUR,,,on,,", business.currency)
    assert await reply() == 0


async def test_a_code_to_another_country_is_international_where_the_card_says_so(
    house: House,
) -> None:
    business = await with_card(house, country_code="SY")
    codes = [business.item(category=AUTHENTICATION, country=each) for each in ("SY", "QA", "FR")]
    assert await business.reserve(*codes) == [300_000, 900_000, 300_000]
    await business.receipt("delivered", codes[1].message_id)
    # The clearance knows of no borders: the same message again is the same.
    assert await business.reserve(codes[1]) == [900_000]
    async with house.database.connection("test") as connection:
        earned = await connection.fetchval(
            "SELECT balance_micros FROM balances WHERE account::text ="
            " 'revenue_authentication_international' AND currency_code = $1",
            business.currency,
        )
    assert earned == 900_000
    nowhere = await with_card(house)
    assert await nowhere.reserve(nowhere.item(category=AUTHENTICATION, country="QA")) == [300_000]


async def test_what_is_free_adds_to_the_volume_in_one_batch_as_in_two(house: House) -> None:
    business = await open_business(house, currency=new_currency())
    rows = "rate,app,ZZ,service,CUR,1,1,1,,\nrate,app,ZZ,service,CUR,2,,0.5,,"
    await load(house, f"volume {business.currency}", rows, business.currency)
    free = business.item(category=SERVICE, window_open=True)
    paid = [business.item(category=SERVICE) for _ in range(2)]
    assert await business.reserve(free, paid[0]) == [0, UNIT // 2]
    assert await business.reserve(paid[1]) == [UNIT // 2]
    assert await check_ledger(house) == []


async def test_a_quote_names_the_row_and_the_rule_and_holds_nothing(house: House) -> None:
    business = await with_card(house)
    await business.reserve(business.item(), business.item())
    tiered, free, given, unknown, sms = await quote(
        business,
        pb.QuoteItem(category=UTILITY, destination_country="FR"),
        pb.QuoteItem(category=SERVICE, destination_country="SY", window_open=True),
        pb.QuoteItem(category=SERVICE, destination_country="SY"),
        pb.QuoteItem(category=MARKETING, destination_country="SY", channel=account_pb2.CHANNEL_RCS),
        pb.QuoteItem(
            category=UTILITY,
            destination_country="SY",
            channel=account_pb2.CHANNEL_SMS,
            segments=2,
        ),
    )
    assert tiered.price == business.money(UNIT // 2)
    free_of = account_pb2.FreeRule.Name
    assert (free_of(free.free_rule), free.price.amount_micros, free.HasField("rate")) == (
        "FREE_RULE_REPLY",
        0,
        False,
    )
    assert (free_of(given.free_rule), given.price.amount_micros, given.list_price) == (
        "FREE_RULE_ALLOWANCE",
        0,
        business.money(100_000),
    )
    assert unknown == "NO_RATE"
    assert (sms.price, sms.units, sms.unit_number) == (business.money(140_000), 2, 1)
    # The two before were to SY, which is priced with everywhere: the next is the third.
    assert (tiered.rate.tier_from, tiered.unit_number, tiered.market) == (3, 3, "ZZ")
    assert await business.balances() == (98 * UNIT, 2 * UNIT)


async def test_bad_questions_for_a_quote(house: House) -> None:
    business = await with_card(house)
    stranger = await house.business(new_id())
    ask = pb.QuoteRequest(
        business_id=business.business_id,
        items=[pb.QuoteItem(category=UTILITY, destination_country="SY")],
    )
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await stranger.Quote(ask)
    ask.business_id = str(new_id())
    with pytest.raises(Refusal, match="ACCOUNT_NOT_FOUND"):
        await (await house.operator()).Quote(ask)
    changes: list[dict[str, Any]] = [
        {"category": 0},
        {"destination_country": "Syria"},
        {"segments": 256},
    ]
    for change in changes:
        bad = pb.QuoteItem(**{"category": UTILITY, "destination_country": "SY", **change})
        with pytest.raises(Refusal, match="INVALID_FIELD"):
            await quote(business, bad)
