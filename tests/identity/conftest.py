"""An identity for the tests of this folder."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from services.kit.clock import ManualClock
from services.local.certificates import Authority
from tests.fixtures.postgres import PostgresForTests
from tests.fixtures.state import temporary_state
from tests.identity.house import House, running_identity
from tests.identity.parties import (
    RegisteredBusiness,
    RegisteredDevice,
    register_business,
    register_device,
)


@pytest.fixture(scope="session")
async def shared_house(postgres: PostgresForTests, authority: Authority) -> AsyncIterator[House]:
    """The identity that tests share: each brings its own businesses and people. Its clock only goes
    forward.
    """
    clock = ManualClock(datetime(2026, 1, 1, 12, tzinfo=UTC))
    url = await postgres.create_database("identity")
    with temporary_state() as folder:
        async with running_identity(url, authority, folder, clock) as house:
            yield house


@pytest.fixture(scope="module")
async def house(shared_house: House) -> AsyncIterator[House]:
    """The shared identity; what a module's tests opened to it is closed after them."""
    yield shared_house
    await shared_house.hang_up()


@pytest.fixture
async def business(house: House) -> RegisteredBusiness:
    """A business of the test's own."""
    return await register_business(house)


@pytest.fixture
async def device(house: House) -> RegisteredDevice:
    """A device of a person of the test's own, with five one-time keys."""
    return await register_device(house)
