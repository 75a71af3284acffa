"""A messaging for the tests of this folder."""

from collections.abc import AsyncIterator

import pytest

from services.local.certificates import Authority
from services.local.nats import Nats
from tests.fixtures.postgres import PostgresForTests
from tests.fixtures.state import temporary_state
from tests.messaging.house import House, Replica
from tests.messaging.parties import Business, Person


@pytest.fixture
async def house(
    postgres: PostgresForTests, nats_server: Nats, authority: Authority
) -> AsyncIterator[House]:
    """What a messaging of the test's own stands on: an empty database, a clock of its own."""
    with temporary_state() as folder:
        url = await postgres.create_database("messaging")
        yield House(url, nats_server.url, authority, folder)


@pytest.fixture
async def replica(house: House) -> AsyncIterator[Replica]:
    """A running messaging."""
    async with house.replica() as replica:
        yield replica


@pytest.fixture
def business(house: House) -> Business:
    """A business of the test's own."""
    return Business(house)


@pytest.fixture
def person() -> Person:
    """A person with one device."""
    return Person()
