"""What messaging expects of billing: asked of the fake and of the real one, over the wire."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.kit.client import connect
from services.kit.clock import new_id
from services.kit.errors import CommonReasons, Refusal
from services.local.certificates import Authority
from services.messaging.clients import BillingClient
from services.messaging.domain import Price
from services.messaging.ports import ReservationRequest
from tests.billing.house import running_billing, tls_files_of
from tests.billing.parties import PRICES, UNIT, open_business
from tests.billing.test_rate_cards import load
from tests.fixtures.postgres import PostgresForTests
from tests.messaging.billing_server import BillingServer, running
from tests.messaging.fake_billing import FakeBilling

UTILITY, AUTHENTICATION, MARKETING, SERVICE = 1, 2, 3, 4
LATER = datetime(2027, 1, 1, tzinfo=UTC)


@dataclass
class Books:
    """A billing, and a business with 10 in its account there; authentication has no rate."""

    billing: BillingClient
    business_id: UUID
    currency_code: str
    now: datetime

    def request(self, category: int = UTILITY, **asked: Any) -> ReservationRequest:
        return ReservationRequest(
            asked.get("message_id") or new_id(),
            self.business_id,
            category,
            asked.get("country", "SY"),
            asked.get("window_open", False),
            asked.get("expire_time", LATER),
            asked.get("came"),
            asked.get("answered"),
        )

    def price(self, amount_micros: int) -> Price:
        return Price(self.currency_code, amount_micros)


@pytest.fixture(params=["fake", "real"])
async def books(
    request: pytest.FixtureRequest, postgres: PostgresForTests, authority: Authority
) -> AsyncIterator[Books]:
    async with AsyncExitStack() as stack:
        if request.param == "fake":
            business_id, currency_code, now = new_id(), "USD", LATER
            fake = FakeBilling()
            fake.rates = {int(category): micros for category, micros in PRICES.items()}
            fake.credit[business_id] = 10 * UNIT
            servicer = BillingServer(fake, random.Random(0))
            servicer.failing = False
            address = await stack.enter_async_context(running(servicer, authority))
        else:
            house = await stack.enter_async_context(running_billing(postgres, authority))
            business = await open_business(house)
            business_id, currency_code = UUID(business.business_id), business.currency
            now = house.clock.now()
            rule = f"free_entry_point,app,,,{currency_code},,,72,,"
            await load(house, "entry points", rule, currency_code)
            address = house.internal_address
        tls = tls_files_of(authority, "messaging")
        channel = await stack.enter_async_context(connect(address, name="billing", tls=tls))
        yield Books(BillingClient(channel), business_id, currency_code, now)


def reasons(answers: list[Price | Refusal]) -> list[str]:
    """The reasons of refusals, in billing's name; empty for what was held."""
    assert all(
        answer.reason.domain == "billing.hudhud"
        for answer in answers
        if isinstance(answer, Refusal)
    )
    return [answer.reason.name if isinstance(answer, Refusal) else "" for answer in answers]


async def test_each_message_has_its_price_in_the_order_of_the_requests(books: Books) -> None:
    answers = await books.billing.create_reservations(
        [
            books.request(MARKETING),
            books.request(UTILITY),
            books.request(SERVICE),
            books.request(SERVICE, window_open=True),
        ]
    )
    assert answers == [books.price(micros) for micros in (4 * UNIT, UNIT, UNIT // 2, 0)]


async def test_who_came_by_a_link_and_was_answered_in_time_gets_messages_for_nothing(
    books: Books,
) -> None:
    came = books.now - timedelta(hours=1)
    answers = await books.billing.create_reservations(
        [
            books.request(MARKETING, came=came),
            books.request(MARKETING, came=came, answered=came + timedelta(minutes=1)),
            books.request(MARKETING, came=came, answered=came + timedelta(hours=25)),
            books.request(MARKETING),
        ]
    )
    assert answers == [books.price(micros) for micros in (0, 0, 4 * UNIT, 4 * UNIT)]


async def test_asked_again_the_first_answer_stands_and_nothing_more_is_held(books: Books) -> None:
    reply = books.request(SERVICE, window_open=True)
    [first] = await books.billing.create_reservations([reply])
    again = reply._replace(window_open=False, expire_time=LATER + timedelta(hours=12))
    assert await books.billing.create_reservations([again, again]) == [first, first]
    too_late = reply._replace(expire_time=LATER + timedelta(hours=12, seconds=1))
    assert reasons(await books.billing.create_reservations([too_late])) == ["RESERVATION_ENDED"]
    utility = books.request()
    for _ in range(20):
        assert await books.billing.create_reservations([utility]) == [books.price(UNIT)]


async def test_another_body_under_the_same_id_is_refused(books: Books) -> None:
    first = books.request()
    answers = await books.billing.create_reservations(
        [first, first._replace(category=MARKETING), first._replace(destination_country="JO")]
    )
    assert reasons(answers) == ["", "MESSAGE_ID_REUSED", "MESSAGE_ID_REUSED"]


async def test_what_has_no_price_is_refused_and_fails_no_other(books: Books) -> None:
    answers = await books.billing.create_reservations(
        [books.request(AUTHENTICATION), books.request()]
    )
    assert reasons(answers) == ["NO_RATE", ""]


async def test_money_goes_to_whoever_asked_first_while_it_lasts(books: Books) -> None:
    answers = await books.billing.create_reservations(
        [books.request(MARKETING) for _ in range(3)] + [books.request(UTILITY)]
    )
    assert reasons(answers) == ["", "", "INSUFFICIENT_CREDIT", ""]


async def test_a_billing_that_is_not_there_is_a_refusal(authority: Authority) -> None:
    tls = tls_files_of(authority, "messaging")
    async with connect("127.0.0.1:1", name="billing", tls=tls, timeout_seconds=0.2) as channel:
        books = Books(BillingClient(channel), new_id(), "USD", LATER)
        with pytest.raises(Refusal) as refusal:
            await books.billing.create_reservations([books.request()])
    assert refusal.value.has(CommonReasons.DEPENDENCY_UNAVAILABLE)
    assert refusal.value.retry_after_seconds
