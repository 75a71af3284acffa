"""A database with the kit's tables, and work that runs beside a test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from services.kit.database import Database
from services.kit.migrate import migrate
from services.kit.nats import Nats
from services.local.certificates import Authority
from tests.fixtures.postgres import PostgresForTests
from tests.kit.probe import Probe, running_probe


@pytest.fixture
async def database(postgres: PostgresForTests) -> AsyncIterator[Database]:
    """An empty database with the kit's own tables."""
    database = await Database.open(await postgres.create_database("kit"), name="test")
    await migrate(database, "services.kit")
    yield database
    await database.close()


@pytest.fixture
async def beside() -> AsyncIterator[Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]]:
    """Runs coroutines beside the test and cancels them after it; one that failed fails the test."""
    tasks: list[asyncio.Task[None]] = []

    def run(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        tasks.append(task)
        return task

    yield run
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[str], Nats]]:
    """Starts connections to NATS and closes them after the test."""
    connections: list[Nats] = []

    def start(url: str) -> Nats:
        nats = Nats(url, name="test")
        nats.start()
        connections.append(nats)
        return nats

    yield start
    for nats in connections:
        await nats.close()


@pytest.fixture
async def probe(authority: Authority) -> AsyncIterator[Probe]:
    """A running service that does what it is told."""
    async with running_probe(authority) as probe:
        yield probe
