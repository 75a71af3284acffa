"""Random histories on the real ledger, compared step by step with a plain model of it.

A failure prints the shortest history that fails and the seed; HUDHUD_TEST_SEED repeats it.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from unittest import mock
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, given, note, seed, settings
from hypothesis import strategies as st

from hudhud.clearance.v1 import clearance_pb2
from services.billing.actions.create_account import create_account
from services.billing.actions.create_credit_note import create_credit_note
from services.billing.actions.create_reservations import create_reservations
from services.billing.actions.set_account_terms import set_account_terms
from services.billing.actions.top_up_account import top_up_account
from services.billing.domain.corrections import CreditNote
from services.billing.domain.money import Money
from services.billing.domain.pricing import Shipment
from services.billing.domain.rate_card import RateCard
from services.billing.domain.rates import Category
from services.billing.domain.reservations import MessageKey, ReservationItem
from services.billing.domain.terms import Terms
from services.billing.domain.top_ups import TopUp as MoneyIn
from services.billing.message_events import MessageEvents
from services.billing.settlement import expire_reservations
from services.kit.clock import ManualClock, new_id
from services.kit.database import Database
from services.kit.errors import Refusal
from services.local.certificates import Authority
from tests.billing.house import House, running_billing
from tests.billing.ledger_model import (
    PRICES,
    Ask,
    Crash,
    Credit,
    Expire,
    Ledger,
    Message,
    Note,
    Receipts,
    Reserve,
    Step,
    TopUp,
)
from tests.billing.parties import check_ledger, message_changed, open_business
from tests.fixtures.postgres import PostgresForTests

SEED = int(os.environ.get("HUDHUD_TEST_SEED", random.SystemRandom().randrange(2**32)))
CURRENCY = "HIS"

businesses = st.sampled_from([0, 0, 0, 1, 1, 2])
messages = st.tuples(businesses, st.integers(0, 4))
asks = st.builds(
    Ask,
    message=messages,
    category=st.sampled_from(["utility", "utility", "marketing", "service", "authentication"]),
    country=st.sampled_from(["SY", "SY", "QA"]),
    window_open=st.booleans(),
    seconds=st.integers(1, 20),
)
changes = st.tuples(st.sampled_from(["delivered", "read", "refused", "expired"]), messages)
reserves = st.builds(Reserve, st.lists(asks, min_size=1, max_size=6).map(tuple))
top_ups = st.builds(
    TopUp, business=businesses, number=st.integers(0, 4), amount=st.sampled_from([5, 12, 40])
)
receipts = st.builds(Receipts, st.lists(changes, min_size=1, max_size=6).map(tuple))
expiries = st.builds(Expire, seconds=st.sampled_from([0, 3, 12]))
limits = st.builds(Credit, business=businesses, limit=st.sampled_from([0, 10, 30]))
notes = st.builds(Note, message=messages, amount=st.sampled_from([1, 2, 5, 20]))
steps: list[st.SearchStrategy[Any]] = [reserves, top_ups, receipts, limits, notes]
crashes = st.builds(Crash, st.one_of(steps))
pairs = st.tuples(*[st.one_of([*steps, expiries])] * 2)
histories = st.lists(
    st.one_of([*steps, reserves, receipts, notes, expiries, crashes, pairs]),
    min_size=6,
    max_size=30,
)


@pytest.fixture(scope="module")
async def historic_house(postgres: PostgresForTests, authority: Authority) -> AsyncIterator[House]:
    """A billing for this module, with rates that hold for all histories."""
    async with running_billing(postgres, authority) as house:
        business = await open_business(house, micros=0, currency=CURRENCY)
        for category, price in PRICES.items():
            number = clearance_pb2.Category.Value(f"CATEGORY_{category.upper()}")
            await business.add_rate(number, price)
            await business.add_rate(number, 2 * price, country="QA")
        yield house


@seed(SEED)
@settings(
    max_examples=int(os.environ.get("HUDHUD_TEST_HISTORIES", "40")),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=histories)
async def test_a_history_comes_to_what_the_model_says(
    historic_house: House, history: list[Any]
) -> None:
    note(f"HUDHUD_TEST_SEED={SEED}")
    road = await Road.open(historic_house)
    try:
        ledger = Ledger()
        # Money first, so that there is something to hold.
        for step in (TopUp(0, 0, 40), TopUp(1, 1, 12), *history):
            if isinstance(step, tuple):
                ledger = await road.take_at_once(ledger, *step)
            else:
                ledger, expected = ledger.after(step)
                assert await road.take(step) == expected, step
                assert await road.state() == state_of(ledger), step
        faults = await check_ledger(historic_house)
        assert all(fault.startswith("messages whose receipt could not be") for fault in faults)
    finally:
        await road.database.close()


def state_of(ledger: Ledger) -> dict[str, Any]:
    """Everything about the model that the real ledger shows too."""
    return {
        "sums": ledger.sums(),
        "states": ledger.states(),
        "unsettled": ledger.unsettled,
    }


class Crashed(Exception):
    """The process is gone."""


@dataclass
class Road:
    """The real ledger, with businesses of its own for one history."""

    database: Database
    clock: ManualClock
    card: RateCard = field(default_factory=RateCard)
    ids: list[UUID] = field(default_factory=lambda: [new_id() for _ in range(3)])

    @classmethod
    async def open(cls, house: House) -> "Road":
        clock = ManualClock(house.clock.now() + timedelta(seconds=1))
        database = await Database.open(house.guest_url, name="history", clock=clock)
        road = cls(database, clock)
        for business_id in road.ids[:2]:
            await create_account(database, business_id, CURRENCY)
        return road

    async def take(self, step: Step) -> list[str | int]:
        match step:
            case Reserve(asks):
                outcomes = await create_reservations(
                    self.database, self.card, [self._item(ask) for ask in asks]
                )
                return [
                    each.reason.name if isinstance(each, Refusal) else each.amount_micros
                    for each in outcomes
                ]
            case TopUp(business, number, amount):
                money_in = MoneyIn(
                    uuid5(self.ids[0], f"top-up {number}"),
                    self.ids[business],
                    Money(CURRENCY, amount),
                    self.clock.now(),
                )
                try:
                    account = await top_up_account(self.database, money_in)
                except Refusal as refusal:
                    return [refusal.reason.name]
                return [account.available.amount_micros]
            case Credit(business, limit):
                return [await self._set_limit(business, limit)]
            case Note(message, amount):
                return [await self._give_back(message, amount)]
            case Crash(crashing):
                return [await self._crash(crashing)]
            case Receipts(changes):
                await MessageEvents(self.database).handle(
                    [
                        message_changed(
                            change, str(self.ids[message[0]]), str(self._key(message).message_id)
                        )
                        for change, message in changes
                    ]
                )
            case Expire(seconds):
                self.clock.advance(seconds)
                while await expire_reservations(self.database, 3) == 3:
                    pass
        return []

    async def _set_limit(self, business: int, limit: int) -> str | int:
        try:
            account = await set_account_terms(
                self.database, self.ids[business], lambda _: Terms(credit_limit_micros=limit)
            )
        except Refusal as refusal:
            return refusal.reason.name
        return account.terms.credit_limit_micros

    async def _give_back(self, message: Message, amount: int) -> str | int:
        key = self._key(message)
        async with self.database.connection("find") as connection:
            entry_id = await connection.fetchval(
                "SELECT entry_id FROM entries WHERE business_id = $1 AND reference_id = $2"
                " AND type IN ('capture', 'late_capture')",
                *key,
            )
        note = CreditNote(
            new_id(), key.business_id, entry_id or 0, Money(CURRENCY, amount), "a test"
        )
        try:
            account = await create_credit_note(self.database, note)
        except Refusal as refusal:
            return refusal.reason.name
        return account.available.amount_micros

    async def _crash(self, step: Step) -> str:
        """Take a step of which the last moment before the commit is also the process's."""

        async def run(label: str, function: Any) -> Any:
            async with self.database.transaction(label) as connection:
                await function(connection)
                raise Crashed

        with mock.patch.object(self.database, "run", run), suppress(Crashed):
            await self.take(step)
        return "CRASHED"

    async def take_at_once(self, ledger: Ledger, one: Step, other: Step) -> Ledger:
        """Take both together; the ledger must come to what one of the two orders comes to."""
        # Time passes before either: it is nobody's step.
        for step in (one, other):
            if isinstance(step, Expire):
                self.clock.advance(step.seconds)
                ledger = replace(ledger, now=ledger.now + step.seconds)
        one, other = (Expire(0) if isinstance(step, Expire) else step for step in (one, other))
        answers = list(await asyncio.gather(self.take(one), self.take(other)))
        state = await self.state()
        first, told_one = ledger.after(one)
        first, told_other = first.after(other)
        if (answers, state) == ([told_one, told_other], state_of(first)):
            return first
        second, told_other = ledger.after(other)
        second, told_one = second.after(one)
        assert (answers, state) == ([told_one, told_other], state_of(second)), (one, other)
        return second

    async def state(self) -> dict[str, Any]:
        async with self.database.transaction("state", isolation="repeatable_read") as connection:
            balances = await connection.fetch(
                "SELECT business_id, account::text, balance_micros FROM balances"
                " WHERE business_id = ANY ($1)",
                self.ids,
            )
            entries = await connection.fetch(
                "SELECT business_id, reference_id, type::text FROM entries"
                " WHERE business_id = ANY ($1) AND type IN"
                " ('reservation', 'capture', 'release', 'expiry', 'late_capture')"
                " ORDER BY entry_id",
                self.ids,
            )
            unsettled = await connection.fetch(
                "SELECT business_id, message_id, wanted::text FROM unsettled_receipts"
                " WHERE business_id = ANY ($1)",
                self.ids,
            )
        sums: Counter[tuple[UUID, str]] = Counter()
        for business_id, account, micros in balances:
            sums[business_id, "revenue" if account.startswith("revenue") else account] += micros
        names = {
            self._key((business, number)): (business, number)
            for business in range(3)
            for number in range(5)
        }
        return {
            "sums": {
                business: (
                    *(
                        sums[self.ids[business], account]
                        for account in ("available", "reserved", "revenue")
                    ),
                    -sums[self.ids[business], "receivable"],
                    -sums[self.ids[business], "adjustments"],
                )
                for business in (0, 1)
            },
            "states": {
                names[MessageKey(row[0], row[1])]: "open" if row[2] == "reservation" else row[2]
                for row in entries
            },
            "unsettled": {(names[MessageKey(row[0], row[1])], row[2]) for row in unsettled},
        }

    def _key(self, message: Message) -> MessageKey:
        business_id = self.ids[message[0]]
        return MessageKey(business_id, uuid5(business_id, f"message {message[1]}"))

    def _item(self, ask: Ask) -> ReservationItem:
        return ReservationItem(
            self._key(ask.message),
            Shipment(Category(ask.category), ask.country, ask.window_open),
            self.clock.now() + timedelta(seconds=ask.seconds),
        )
