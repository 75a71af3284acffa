"""GetStatement: a period's opening, movements and closing, and the entries behind each line."""

from datetime import timedelta
from typing import Any

import pytest

from hudhud.billing.v1 import account_pb2, statement_pb2
from hudhud.billing.v1 import billing_service_pb2 as billing_pb
from hudhud.billing.v1 import statement_service_pb2 as pb
from services.kit.clock import new_id
from tests.billing.house import House
from tests.billing.parties import MARKETING, SERVICE, UNIT, UTILITY, Business
from tests.billing.periods import (
    deliver,
    first_of_next_month,
    go_to,
    open_business_in,
    refusal_of,
)

ZONE = "Asia/Damascus"


async def statement_of(business: Business, first: Any, last: Any) -> statement_pb2.Statement:
    response = await business.operator.GetStatement(
        pb.GetStatementRequest(
            business_id=business.business_id, first_day=str(first), last_day=str(last)
        )
    )
    statement: statement_pb2.Statement = response.statement
    return statement


def totals(balance: statement_pb2.Balance) -> tuple[int, int, int, int]:
    return (
        balance.available.amount_micros,
        balance.reserved.amount_micros,
        balance.owed.amount_micros,
        balance.total.amount_micros,
    )


def lines(statement: statement_pb2.Statement) -> list[tuple[str, int, str, int, int, int]]:
    return [
        (
            account_pb2.Entry.Type.Name(each.key.type)[len("TYPE_") :],
            each.key.category,
            each.key.market,
            each.entry_count,
            each.amount.amount_micros,
            each.change.amount_micros,
        )
        for each in statement.movements
    ]


async def test_a_statement_says_what_there_was_what_moved_and_what_there_is(house: House) -> None:
    month = first_of_next_month(house)
    business = await open_business_in(house, ZONE, 100 * UNIT)
    await deliver(business)
    go_to(house, month, 9, ZONE)
    await deliver(business, 3, category=MARKETING)
    await deliver(business, 2, country="QA")
    await deliver(business, category=SERVICE, window_open=True)
    await business.reserve(business.item())
    go_to(house, month + timedelta(days=40), 9, ZONE)
    await deliver(business)

    statement = await statement_of(business, month, month + timedelta(days=27))

    assert statement.time_zone == ZONE
    assert totals(statement.opening) == (99 * UNIT, 0, 0, 99 * UNIT)
    assert lines(statement) == [
        ("RESERVATION", MARKETING, "ZZ", 3, 12 * UNIT, 0),
        ("RESERVATION", SERVICE, "ZZ", 1, 0, 0),
        ("RESERVATION", UTILITY, "QA", 2, 6 * UNIT, 0),
        ("RESERVATION", UTILITY, "ZZ", 1, UNIT, 0),
        ("CAPTURE", MARKETING, "ZZ", 3, 12 * UNIT, -12 * UNIT),
        ("CAPTURE", SERVICE, "ZZ", 1, 0, 0),
        ("CAPTURE", UTILITY, "QA", 2, 6 * UNIT, -6 * UNIT),
    ]
    assert totals(statement.closing) == (80 * UNIT, UNIT, 0, 81 * UNIT)


async def test_a_day_begins_and_ends_at_midnight_of_the_business(house: House) -> None:
    """At the last minute before, and at midnight itself."""
    zone = "Africa/Cairo"  # clocks are put forward at midnight there
    day = first_of_next_month(house)
    business = await open_business_in(house, zone, 100 * UNIT)
    go_to(house, day - timedelta(days=1), 23, zone, 59)
    await deliver(business)
    go_to(house, day, 0, zone)
    await deliver(business, 2)
    go_to(house, day + timedelta(days=1), 0, zone)
    await deliver(business, 4)
    counts = [
        sum(
            each.entry_count
            for each in (await statement_of(business, on, on)).movements
            if each.key.type == account_pb2.Entry.TYPE_CAPTURE
        )
        for on in (day - timedelta(days=1), day, day + timedelta(days=1))
    ]
    assert counts == [1, 2, 4]


async def test_every_line_is_reachable_down_to_the_ids_of_messages(house: House) -> None:
    month = first_of_next_month(house)
    business = await open_business_in(house, ZONE, 100 * UNIT)
    go_to(house, month, 9, ZONE)
    marketing = await deliver(business, 5, category=MARKETING)
    utility = await deliver(business, 3)
    abroad = await deliver(business, 2, country="QA")
    days = {"first_day": str(month), "last_day": str(month)}
    statement = await statement_of(business, month, month)
    reached = {}
    for movement in statement.movements:
        request = billing_pb.ListEntriesRequest(
            business_id=business.business_id, page_size=2, movement=movement.key, **days
        )
        entries = []
        while True:
            page = await business.operator.ListEntries(request)
            entries += page.entries
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        assert len(entries) == movement.entry_count
        assert sum(entry.list_amount.amount_micros for entry in entries) == (
            movement.amount.amount_micros
        )
        key = movement.key
        reached[key.type, key.category, key.market] = [entry.reference_id for entry in entries]
    capture = account_pb2.Entry.TYPE_CAPTURE
    assert sorted(reached[capture, MARKETING, "ZZ"]) == sorted(marketing)
    assert sorted(reached[capture, UTILITY, "ZZ"]) == sorted(utility)
    assert sorted(reached[capture, UTILITY, "QA"]) == sorted(abroad)


async def test_a_business_sees_its_own_statement_and_no_others(
    house: House, business: Business
) -> None:
    request = pb.GetStatementRequest(
        business_id=business.business_id, first_day="2026-10-01", last_day="2026-10-31"
    )
    own = await house.business(business.business_id)
    assert (await own.GetStatement(request)).statement.business_id == business.business_id
    other = await house.business(new_id())
    refusal = await refusal_of(other.GetStatement(request))
    assert refusal.reason.name == "CALLER_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"business_id": "4711"}, "INVALID_FIELD"),
        ({"business_id": str(new_id())}, "ACCOUNT_NOT_FOUND"),
        ({"first_day": ""}, "INVALID_FIELD"),
        ({"first_day": "1 October"}, "INVALID_FIELD"),
        ({"first_day": "2026-02-30"}, "PERIOD_INVALID"),
        ({"first_day": "0000-01-01"}, "PERIOD_INVALID"),
        ({"last_day": "2026-09-30"}, "PERIOD_INVALID"),
        ({"last_day": "2027-10-02"}, "PERIOD_INVALID"),
        ({"first_day": "9999-12-31", "last_day": "9999-12-31"}, "PERIOD_INVALID"),
        ({"first_day": "0001-01-01", "last_day": "0001-01-01"}, "PERIOD_INVALID"),
    ],
)
async def test_days_that_make_no_period_are_refused(
    business: Business, change: dict[str, str], reason: str
) -> None:
    for method, type_ in (
        (business.operator.GetStatement, pb.GetStatementRequest),
        (business.operator.GetUsage, pb.GetUsageRequest),
    ):
        days = {"first_day": "2026-10-01", "last_day": "2026-10-31"}
        request = type_(**{"business_id": business.business_id, **days, **change})
        assert (await refusal_of(method(request))).reason.name == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"first_day": "2026-10-01"}, "INVALID_FIELD"),
        ({"last_day": "2026-10-01"}, "INVALID_FIELD"),
        ({"movement": statement_pb2.MovementKey(type=1)}, "INVALID_FIELD"),
        ({"first_day": "2026-10-02", "last_day": "2026-10-01"}, "PERIOD_INVALID"),
        (
            {
                "first_day": "2026-10-01",
                "last_day": "2026-10-01",
                "movement": statement_pb2.MovementKey(),
            },
            "INVALID_FIELD",
        ),
        (
            {
                "first_day": "2026-10-01",
                "last_day": "2026-10-01",
                "movement": statement_pb2.MovementKey(type=3, category=1, international=True),
            },
            "INVALID_FIELD",
        ),
    ],
)
async def test_a_filter_that_makes_no_sense_is_refused(
    business: Business, change: dict[str, Any], reason: str
) -> None:
    request = billing_pb.ListEntriesRequest(business_id=business.business_id, **change)
    refusal = await refusal_of(business.operator.ListEntries(request))
    assert refusal.reason.name == reason
