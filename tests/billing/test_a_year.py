"""A clock that walks a year: months, tiers, summer time and cards that change, by arithmetic.

A failure prints the seed; HUDHUD_TEST_SEED repeats it.
"""

import os
import random
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from hudhud.billing.v1 import billing_service_pb2 as pb
from hudhud.billing.v1 import correction_service_pb2 as correction_pb
from services.kit.clock import new_id
from tests.billing.house import House
from tests.billing.parties import SERVICE, UNIT, UTILITY, check_ledger, open_business
from tests.billing.test_rate_cards import card, load

SEED = int(os.environ.get("HUDHUD_TEST_SEED", random.SystemRandom().randrange(2**32)))

# By the first day (00:00 UTC) from which it holds: the utility tiers as (from, price), the price of
# a service message, whether replies are free, and how many service messages a month are.
CARDS = {
    date(2026, 1, 1): ([(1, 10), (21, 8)], 4, True, 0),
    date(2026, 4, 1): ([(1, 12), (11, 9), (31, 7)], 4, True, 0),
    date(2026, 7, 1): ([(1, 11)], 6, True, 5),
    date(2026, 10, 1): ([(1, 11), (41, 5)], 6, False, 8),
}


def rows_of(day: date) -> str:
    """The card that begins on this day, in micros."""
    tiers, service, replies, allowance = CARDS[day]
    ends = [str(tier_from - 1) for tier_from, _ in tiers[1:]] + [""]
    rows = [
        f"rate,app,ZZ,utility,CUR,{tier_from},{tier_to},0.0000{price:02},{day},"
        for (tier_from, price), tier_to in zip(tiers, ends, strict=True)
    ]
    rows += [
        f"rate,app,ZZ,service,CUR,,,0.0000{service:02},{day},",
        f"free_reply,app,,,CUR,,,{'on' if replies else 'off'},{day},",
        f"free_allowance,app,,,CUR,,,{allowance or 'off'},{day},",
    ]
    return "\n".join(rows)


def walked(local: ZoneInfo) -> list[date]:
    """The days at which months, cards and summer time begin or end, and every fifth besides."""
    days = [date(2026, 1, 2) + timedelta(days=number) for number in range(365)]

    def offset(day: date) -> timedelta | None:
        return datetime.combine(day, time(), local).utcoffset()

    return [
        day
        for number, day in enumerate(days)
        if number % 5 == 0
        or day.day in (1, 2)
        or offset(day) != offset(day + timedelta(days=1))
        or offset(day) != offset(day - timedelta(days=1))
    ]


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland"])
async def test_a_year_costs_what_arithmetic_says(fresh_house: House, zone: str) -> None:
    chance, house = random.Random(f"{SEED} {zone}"), fresh_house
    business = await open_business(house, UNIT, currency="YEA", time_zone=zone)
    for begins in CARDS:
        rows = rows_of(begins).replace("2026-01-01", "")  # the first begins now
        await load(house, f"from {begins}", rows, "YEA")
    local = ZoneInfo(zone)
    used: Counter[tuple[date, str]] = Counter()
    charged = 0
    exported: dict[datetime, str] = {}

    for number, day in enumerate(walked(local)):
        # Around midnight of the business, where a day, a month and a change of its clock begin,
        # and around midnight of the card's.
        midnight = datetime.combine(day, time(), local)
        of_card = midnight.astimezone(UTC).replace(hour=0, minute=0, second=0)
        moments = {midnight - timedelta(seconds=1), midnight, of_card, of_card + timedelta(hours=3)}
        for moment in sorted(each.astimezone(UTC) for each in moments):
            seconds = (moment - house.clock.now()).total_seconds()
            if seconds < 0:
                continue
            house.clock.advance(seconds)
            month = moment.astimezone(local).date().replace(day=1)
            card_day = max(begins for begins in CARDS if begins <= moment.date())
            tiers, service, replies, allowance = CARDS[card_day]
            items, expected = [], []
            for _ in range(chance.randrange(8)):
                if chance.random() < 0.7:
                    items.append(business.item(category=UTILITY))
                    used[month, "utility"] += 1
                    prices = [price for first, price in tiers if first <= used[month, "utility"]]
                    expected.append(prices[-1])
                else:
                    is_open = chance.random() < 0.5
                    items.append(business.item(category=SERVICE, window_open=is_open))
                    if is_open and replies:
                        expected.append(0)
                    elif used[month, "given"] < allowance:
                        used[month, "given"] += 1
                        expected.append(0)
                    else:
                        expected.append(service)
            if not items:
                continue
            assert await business.reserve(*items) == expected, f"{moment} {SEED=}"
            # The last of some batches is refused, and counts no more.
            kept = len(items) - (chance.random() < 0.2 and items[-1].category == UTILITY)
            await business.receipt("delivered", *(item.message_id for item in items[:kept]))
            charged += sum(expected[:kept])
            if kept < len(items):
                await business.receipt("refused", items[-1].message_id)
                used[month, "utility"] -= 1
        if number % 20 == 0:
            exported[house.clock.now()] = await export_at(house, house.clock.now())

    assert (await business.balances()) == (UNIT - charged, 0), f"{SEED=}"
    assert await check_ledger(house) == [], f"{SEED=}"
    # What was in force on any past day is the same today.
    for at, text in exported.items():
        assert await export_at(house, at) == text
    async with house.database.connection("test") as connection:
        months = await connection.fetch(
            "SELECT month, unit_count FROM usage_months WHERE business_id = $1"
            " AND category = 'utility'",
            UUID(business.business_id),
        )
    counted = {month: count for (month, what), count in used.items() if what == "utility"}
    assert {row[0]: row[1] for row in months} == counted
    # Rated again by the card that was in force, no message of the year costs anything else.
    starts = [datetime.combine(day, time(), UTC) for day in CARDS]
    for day, since, until in zip(CARDS, starts, [*starts[1:], house.clock.now()], strict=True):
        assert await differing(house, rows_of(day), since, until) == 0, f"{day} {SEED=}"
    # By another, every paid utility message does that was not as dear.
    assert await differing(house, rows_of(date(2026, 7, 1)), starts[3], house.clock.now()) > 0


async def differing(house: House, rows: str, since: datetime, until: datetime) -> int:
    """How many messages of a time a card prices otherwise than they were charged."""
    request = correction_pb.ProposeReratingRequest(
        rerating_id=str(new_id()), currency_code="YEA", csv=card(rows, "YEA"), reason="a test"
    )
    request.from_time.FromDatetime(since)
    request.to_time.FromDatetime(until)
    proposed = await (await house.operator()).ProposeRerating(request)
    return int(proposed.rerating.item_count)


async def export_at(house: House, at: datetime) -> str:
    request = pb.ExportRateCardRequest(currency_code="YEA")
    request.at_time.FromDatetime(at)
    text: str = (await (await house.anyone()).ExportRateCard(request)).csv
    return text
