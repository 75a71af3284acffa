"""Businesses in a time zone of their own, and time that goes by in days."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hudhud.billing.v1 import billing_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.billing.house import House
from tests.billing.parties import PRICES, Business, new_currency


async def open_business_in(
    house: House, time_zone: str, micros: int, currency: str | None = None
) -> Business:
    """A new business whose days are those of `time_zone`."""
    business = Business(
        house,
        str(new_id()),
        currency or new_currency(),
        await house.operator(),
        await house.service("messaging"),
    )
    await business.operator.CreateAccount(
        pb.CreateAccountRequest(
            business_id=business.business_id,
            currency_code=business.currency,
            time_zone=time_zone,
            country_code="SY",
        )
    )
    if currency is None:
        for category, price in PRICES.items():
            await business.add_rate(category, price)
            await business.add_rate(category, 3 * price, country="QA")
    if micros:
        await business.top_up(micros)
    return business


async def deliver(business: Business, count: int = 1, **item: Any) -> list[str]:
    """Messages that are reserved and delivered now; their ids."""
    items = [business.item(**item) for _ in range(count)]
    assert all(isinstance(price, int) for price in await business.reserve(*items))
    message_ids = [each.message_id for each in items]
    await business.receipt("delivered", *message_ids)
    return message_ids


def go_to(house: House, day: date, hour: int, time_zone: str, minute: int = 0) -> None:
    """Let time go by until this hour of this day."""
    moment = datetime.combine(day, time(hour, minute), ZoneInfo(time_zone)).astimezone(UTC)
    house.clock.advance((moment - house.clock.now()).total_seconds())


def first_of_next_month(house: House) -> date:
    """The first day of a month that has not begun anywhere."""
    coming = house.clock.now().date().replace(day=1) + timedelta(days=62)
    return coming.replace(day=1)


async def refusal_of(call: Any) -> Refusal:
    """The refusal that the call ends with."""
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value
