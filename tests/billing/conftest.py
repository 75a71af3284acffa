"""A billing for the tests of this folder."""

from collections.abc import AsyncIterator

import pytest

from services.local.certificates import Authority
from tests.billing.house import House, running_billing
from tests.billing.parties import Business, open_business
from tests.fixtures.postgres import PostgresForTests


@pytest.fixture(scope="session")
async def house(postgres: PostgresForTests, authority: Authority) -> AsyncIterator[House]:
    """The billing that tests share: each brings its own businesses and its own currency, of which
    nobody else has rates. Its clock only goes forward.
    """
    async with running_billing(postgres, authority) as house:
        yield house


@pytest.fixture
async def fresh_house(postgres: PostgresForTests, authority: Authority) -> AsyncIterator[House]:
    """A billing of the test's own, to break."""
    async with running_billing(postgres, authority) as house:
        yield house


@pytest.fixture
async def business(house: House) -> Business:
    """A business of the test's own: an account in a currency of its own with 10 in it.

    A utility message costs 1, marketing 4, a late reply 0.5, to everywhere.
    """
    return await open_business(house)
