"""CreateAccount and GetAccount: one account, in one currency for ever."""

from typing import Any

import pytest

from hudhud.billing.v1 import billing_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.billing.house import House
from tests.billing.parties import UNIT, Business


async def refusal_of(call: Any) -> str:
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value.reason.name


async def test_an_account_begins_with_nothing(house: House) -> None:
    operator = await house.operator()
    business_id = str(new_id())
    request = pb.CreateAccountRequest(business_id=business_id, currency_code="USD")
    account = (await operator.CreateAccount(request)).account
    assert account.business_id == business_id
    assert (account.available.currency_code, account.available.amount_micros) == ("USD", 0)
    assert account.reserved.amount_micros == 0
    assert account.create_time.ToDatetime() == house.clock.now().replace(tzinfo=None)


async def test_opening_it_again_gives_the_same_account(business: Business) -> None:
    request = pb.CreateAccountRequest(
        business_id=business.business_id, currency_code=business.currency
    )
    account = (await business.operator.CreateAccount(request)).account
    assert account.available.amount_micros == 10 * UNIT


async def test_the_currency_never_changes(business: Business) -> None:
    request = pb.CreateAccountRequest(business_id=business.business_id, currency_code="USD")
    with pytest.raises(Refusal) as caught:
        await business.operator.CreateAccount(request)
    assert caught.value.reason.name == "ACCOUNT_CURRENCY_DIFFERS"
    assert caught.value.metadata["currency_code"] == business.currency


@pytest.mark.parametrize(
    ("business_id", "currency_code"),
    [("", "USD"), ("4711", "USD"), (None, ""), (None, "usd"), (None, "USDT"), (None, "U\0D")],
)
async def test_what_is_no_id_or_no_currency_is_refused(
    house: House, business_id: str | None, currency_code: str
) -> None:
    business_id = str(new_id()) if business_id is None else business_id
    request = pb.CreateAccountRequest(business_id=business_id, currency_code=currency_code)
    operator = await house.operator()
    assert await refusal_of(operator.CreateAccount(request)) == "INVALID_FIELD"


async def test_a_business_reads_its_own_account_and_no_other(
    house: House, business: Business
) -> None:
    request = pb.GetAccountRequest(business_id=business.business_id)
    own = await house.business(business.business_id)
    assert (await own.GetAccount(request)).account.available.amount_micros == 10 * UNIT
    other = await house.business(new_id())
    assert await refusal_of(other.GetAccount(request)) == "CALLER_NOT_ALLOWED"


async def test_what_has_no_account_is_not_found(house: House) -> None:
    operator = await house.operator()
    request = pb.GetAccountRequest(business_id=str(new_id()))
    assert await refusal_of(operator.GetAccount(request)) == "ACCOUNT_NOT_FOUND"
    request = pb.GetAccountRequest(business_id="4711")
    assert await refusal_of(operator.GetAccount(request)) == "INVALID_FIELD"


async def test_only_an_operator_opens_accounts(house: House, business: Business) -> None:
    request = pb.CreateAccountRequest(
        business_id=business.business_id, currency_code=business.currency
    )
    own = await house.business(business.business_id)
    assert await refusal_of(own.CreateAccount(request)) == "CALLER_NOT_ALLOWED"
    anyone = await house.anyone()
    assert await refusal_of(anyone.CreateAccount(request)) == "TOKEN_MISSING"
