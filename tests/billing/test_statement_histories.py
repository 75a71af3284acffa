"""Random histories over days: statements, usage and entries say what the plain model says.

A failure prints the shortest history that fails.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hudhud.clearance.v1 import clearance_pb2
from services.billing.actions.get_statement import get_statement
from services.billing.actions.get_usage import get_usage
from services.billing.actions.list_entries import list_entries
from services.billing.domain.ledger import EntryType
from services.billing.domain.statements import Balance, Statement
from services.local.certificates import Authority
from tests.billing.house import House, running_billing
from tests.billing.ledger_model import PRICES, Ledger, TopUp
from tests.billing.parties import open_business
from tests.billing.test_histories import CURRENCY, Road, expiries, receipts, reserves, top_ups
from tests.fixtures.postgres import PostgresForTests

steps = st.tuples(
    st.integers(0, 60 * 3600), st.one_of(reserves, reserves, top_ups, receipts, receipts, expiries)
)


@pytest.fixture(scope="module")
async def dated_house(postgres: PostgresForTests, authority: Authority) -> AsyncIterator[House]:
    """A billing for this module, with rates that hold for all histories."""
    async with running_billing(postgres, authority) as house:
        business = await open_business(house, micros=0, currency=CURRENCY)
        for category, price in PRICES.items():
            number = clearance_pb2.Category.Value(f"CATEGORY_{category.upper()}")
            await business.add_rate(number, price)
            await business.add_rate(number, 2 * price, country="QA")
        yield house


@settings(
    max_examples=20,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    history=st.lists(steps, min_size=4, max_size=16),
    first=st.integers(0, 10),
    days=st.integers(1, 10),
)
async def test_a_statement_is_what_the_model_says_of_its_days(
    dated_house: House, history: list[tuple[int, object]], first: int, days: int
) -> None:
    road = await Road.open(dated_house)
    try:
        begin = road.clock.now()
        # What each business had and had used, from a moment on.
        known = [(begin, Ledger())]
        ledger, _ = known[0][1].after(TopUp(0, 0, 40))
        await road.take(TopUp(0, 0, 40))
        known.append((begin, ledger))
        for seconds, step in history:
            road.clock.advance(seconds)
            ledger = replace(ledger, now=ledger.now + seconds)
            ledger, expected = ledger.after(step)  # type: ignore[arg-type]
            assert await road.take(step) == expected  # type: ignore[arg-type]
            known.append((road.clock.now(), ledger))
        first_day = begin.date() + timedelta(days=first)
        last_day = first_day + timedelta(days=days - 1)

        for business in (0, 1):
            statement = await get_statement(
                road.database, road.ids[business], str(first_day), str(last_day)
            )
            before = _at(known, statement.period.start_time)
            after = _at(known, statement.period.end_time)
            assert statement.opening == _balance(before, business)
            assert statement.closing == _balance(after, business)
            assert (
                statement.opening.total + sum(movement.change for movement in statement.movements)
                == statement.closing.total
            )
            charged = after.sums()[business][2] - before.sums()[business][2]
            await _reach_every_entry(road, statement)
            usage = await get_usage(
                road.database, road.ids[business], str(first_day), str(last_day)
            )
            assert sum(point.charged for _, points in usage.series for point in points) == charged
            assert all(len(points) == days for _, points in usage.series)
    finally:
        await road.database.close()


async def _reach_every_entry(road: Road, statement: Statement) -> None:
    """The entries behind the lines are all entries of the period, each once."""
    days = (str(statement.period.first), str(statement.period.last))
    reached = []
    for movement in statement.movements:
        entries, _ = await list_entries(
            road.database, statement.business_id, None, 1000, "", days, movement.key
        )
        assert len(entries) == movement.entry_count
        assert sum(entry.amount.amount_micros for entry in entries) == movement.amount
        assert {entry.type for entry in entries} == {movement.key.type}
        if movement.key.type is EntryType.CAPTURE:
            assert movement.change == -movement.amount
        reached += [entry.entry_id for entry in entries]
    every, _ = await list_entries(road.database, statement.business_id, None, 1000, "", days)
    assert sorted(reached, reverse=True) == [entry.entry_id for entry in every]


def _at(known: list[tuple[datetime, Ledger]], moment: datetime) -> Ledger:
    """The model after everything that came before the moment."""
    return (
        [ledger for time, ledger in known if time < moment][-1]
        if (known[0][0] < moment)
        else known[0][1]
    )


def _balance(ledger: Ledger, business: int) -> Balance:
    available, reserved, _, owed, _ = ledger.sums()[business]
    return Balance(available, reserved, -owed)
