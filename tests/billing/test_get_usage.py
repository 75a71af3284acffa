"""GetUsage: messages and money by day, with a zero where there was nothing."""

from datetime import timedelta

from hudhud.billing.v1 import statement_service_pb2 as pb
from services.kit.clock import new_id
from tests.billing.house import House
from tests.billing.parties import MARKETING, UNIT, UTILITY, Business
from tests.billing.periods import (
    deliver,
    first_of_next_month,
    go_to,
    open_business_in,
    refusal_of,
)

ZONE = "America/New_York"


async def test_each_kind_has_a_point_for_every_day(house: House) -> None:
    month = first_of_next_month(house)
    business = await open_business_in(house, ZONE, 100 * UNIT)
    go_to(house, month, 0, ZONE)
    await deliver(business, 2)
    await deliver(business, category=MARKETING)
    go_to(house, month + timedelta(days=2), 23, ZONE, 59)
    await deliver(business, 3)
    await deliver(business, country="QA")
    # What is only held is no usage.
    await business.reserve(business.item())

    response = await business.operator.GetUsage(
        pb.GetUsageRequest(
            business_id=business.business_id,
            first_day=str(month),
            last_day=str(month + timedelta(days=3)),
        )
    )

    days = [str(month + timedelta(days=number)) for number in range(4)]
    assert all([point.day for point in each.points] == days for each in response.series)
    assert {
        (each.category, each.market): [
            (point.messages, point.units, point.amount.amount_micros) for point in each.points
        ]
        for each in response.series
    } == {
        (UTILITY, "ZZ"): [(2, 2, 2 * UNIT), (0, 0, 0), (3, 3, 3 * UNIT), (0, 0, 0)],
        (UTILITY, "QA"): [(0, 0, 0), (0, 0, 0), (1, 1, 3 * UNIT), (0, 0, 0)],
        (MARKETING, "ZZ"): [(1, 1, 4 * UNIT), (0, 0, 0), (0, 0, 0), (0, 0, 0)],
    }


async def test_a_business_sees_its_own_usage_and_no_others(
    house: House, business: Business
) -> None:
    request = pb.GetUsageRequest(
        business_id=business.business_id, first_day="2026-10-01", last_day="2026-10-31"
    )
    own = await house.business(business.business_id)
    assert not (await own.GetUsage(request)).series
    other = await house.business(new_id())
    assert (await refusal_of(other.GetUsage(request))).reason.name == "CALLER_NOT_ALLOWED"
