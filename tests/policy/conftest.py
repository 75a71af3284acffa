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
from tests.policy.releases import Press


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


@pytest.fixture(scope="module")
async def house_for_models(
    postgres: PostgresForTests, authority: Authority
) -> AsyncIterator[House]:
    """A house of a file's own: which model is live holds for all of a house.

    Its replicas look for news often, since nobody wakes them where there is no NATS.
    """
    url = await postgres.create_database("policy")
    with temporary_state() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.policy.models.POLL_SECONDS", 0.2)
        house = House(url, authority, folder)
        async with house.identity():
            yield house


@pytest.fixture(scope="session")
def press(tmp_path_factory: pytest.TempPathFactory) -> Press:
    """Makes releases."""
    return Press(tmp_path_factory.mktemp("releases"))


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
