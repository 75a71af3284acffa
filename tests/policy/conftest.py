"""A policy for the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest

from services.local.certificates import Authority
from tests.fixtures.postgres import PostgresForTests
from tests.fixtures.state import temporary_state
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


class Beside:
    """Work that runs beside a test."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def __call__(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it until `stop`."""
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def until(self, condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
        """Return when the condition holds; TimeoutError if it does not."""
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110 - what happens elsewhere sets no event
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()


@pytest.fixture
async def beside() -> AsyncIterator[Beside]:
    """Runs coroutines beside the test and ends them after it."""
    beside = Beside()
    yield beside
    await beside.stop()
