"""TopUpAccount: booked once, in the account's currency, and never more than can be counted."""

import asyncio
from typing import Any

import pytest

from hudhud.billing.v1 import account_pb2
from hudhud.billing.v1 import billing_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.billing.house import House
from tests.billing.parties import UNIT, Business, open_business


def top_up(business: Business, micros: int, top_up_id: str | None = None) -> Any:
    return business.operator.TopUpAccount(
        pb.TopUpAccountRequest(
            top_up_id=top_up_id or str(new_id()),
            business_id=business.business_id,
            amount=business.money(micros),
        )
    )


async def refusal_of(call: Any) -> str:
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value.reason.name


async def test_money_that_came_in_can_be_spent(business: Business) -> None:
    account = (await top_up(business, 5 * UNIT)).account
    assert account.available.amount_micros == 15 * UNIT
    assert (await business.entries())[-1] == ("TOP_UP", 5 * UNIT)


async def test_the_same_top_up_again_is_booked_once(business: Business) -> None:
    top_up_id = str(new_id())
    answers = await asyncio.gather(*(top_up(business, UNIT, top_up_id) for _ in range(8)))
    assert {answer.account.available.amount_micros for answer in answers} == {11 * UNIT}
    assert await business.entries(top_up_id) == [("TOP_UP", UNIT)]


async def test_an_id_stands_for_one_top_up(house: House, business: Business) -> None:
    top_up_id = str(new_id())
    await top_up(business, UNIT, top_up_id)
    other = await open_business(house, currency=business.currency)
    assert await refusal_of(top_up(business, 2 * UNIT, top_up_id)) == "TOP_UP_ID_REUSED"
    assert await refusal_of(top_up(other, UNIT, top_up_id)) == "TOP_UP_ID_REUSED"
    assert await business.balances() == (11 * UNIT, 0)
    assert await other.balances() == (10 * UNIT, 0)


async def test_a_top_up_may_have_the_id_of_a_message(business: Business) -> None:
    item = business.item()
    await business.reserve(item)
    await top_up(business, UNIT, item.message_id)
    assert await business.entries(item.message_id) == [("RESERVATION", UNIT), ("TOP_UP", UNIT)]


@pytest.mark.parametrize("micros", [0, -UNIT, 10**15 + 1, 2**63 - 1, -(2**63)])
async def test_an_amount_is_more_than_nothing_and_within_bounds(
    business: Business, micros: int
) -> None:
    assert await refusal_of(top_up(business, micros)) == "AMOUNT_INVALID"
    assert await business.balances() == (10 * UNIT, 0)


async def test_an_account_counts_no_further_than_its_bounds(business: Business) -> None:
    most = 10**15
    connection = await business.house.guest()
    # Four thousand top-ups of the most at once, less the ten that are there.
    await connection.execute(
        """
        INSERT INTO entries (business_id, type, from_account, to_account, amount_micros,
            currency_code, reference_id, create_time)
        SELECT $1, 'top_up', 'funding', 'available', $2, $3, gen_random_uuid(), now()
        FROM generate_series(1, 3999)
        """,
        business.business_id,
        most,
        business.currency,
    )
    assert await refusal_of(top_up(business, most)) == "AMOUNT_INVALID"
    await top_up(business, most - 10 * UNIT)
    assert await business.balances() == (4000 * most, 0)
    assert await refusal_of(top_up(business, 1)) == "AMOUNT_INVALID"


async def test_money_of_another_currency_is_refused(business: Business) -> None:
    request = pb.TopUpAccountRequest(
        top_up_id=str(new_id()),
        business_id=business.business_id,
        amount=account_pb2.Money(currency_code="USD", amount_micros=UNIT),
    )
    assert await refusal_of(business.operator.TopUpAccount(request)) == "ACCOUNT_CURRENCY_DIFFERS"


async def test_money_for_nobody_is_refused(business: Business) -> None:
    request = pb.TopUpAccountRequest(
        top_up_id=str(new_id()), business_id=str(new_id()), amount=business.money(UNIT)
    )
    assert await refusal_of(business.operator.TopUpAccount(request)) == "ACCOUNT_NOT_FOUND"


@pytest.mark.parametrize(
    "change",
    [
        {"top_up_id": "4711"},
        {"business_id": ""},
        {"amount": None},
        {"amount": account_pb2.Money(amount_micros=UNIT)},
        {"amount": account_pb2.Money(amount_micros=UNIT, currency_code="euro")},
    ],
)
async def test_a_request_that_breaks_a_rule_is_refused(
    business: Business, change: dict[str, Any]
) -> None:
    good = {
        "top_up_id": str(new_id()),
        "business_id": business.business_id,
        "amount": business.money(UNIT),
    }
    request = pb.TopUpAccountRequest(**{**good, **change})
    assert await refusal_of(business.operator.TopUpAccount(request)) == "INVALID_FIELD"


async def test_a_business_cannot_top_itself_up(house: House, business: Business) -> None:
    own = await house.business(business.business_id)
    request = pb.TopUpAccountRequest(
        top_up_id=str(new_id()), business_id=business.business_id, amount=business.money(UNIT)
    )
    assert await refusal_of(own.TopUpAccount(request)) == "CALLER_NOT_ALLOWED"
