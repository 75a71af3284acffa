"""A policy for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.local.certificates import Authority
from tests.fixtures.postgres import PostgresForTests
from tests.fixtures.state import temporary_state
from tests.policy.beside import Beside
from tests.policy.house import House, Replica
from tests.policy.parties import Business, Person


@pytest.fixture(scope="session")
async def house(postgres: PostgresForTests, authority: Authority) -> AsyncIterator[House]:
    """What the policy of most tests stands on. Each brings its own businesses and people; the
    clock only goes forward.
    """
    url = await postgres.create_database("policy")
    with temporary_state() as folder:
        house = House(url, authority, folder)
        async with house.identity():
            yield house


@pytest.fixture(scope="session")
async def policy(house: House) -> AsyncIterator[Replica]:
    """A running policy that tests share: loading the model takes a second."""
    async with house.replica() as replica:
        yield replica


@pytest.fixture
def business(policy: Replica) -> Business:
    """A business of the test's own."""
    return Business(policy)


@pytest.fixture
def person(policy: Replica) -> Person:
    """A person with a device, of the test's own."""
    return Person(policy)


@pytest.fixture
async def beside() -> AsyncIterator[Beside]:
    """Runs coroutines beside the test and ends them after it."""
    beside = Beside()
    yield beside
    await beside.stop()
