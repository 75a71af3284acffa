"""What the edge stands on, for the tests of this folder: PostgreSQL, and an identity in memory."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from services.ends.edge.vault import Vault
from services.kit.clock import ManualClock
from services.kit.database import Database
from services.kit.migrate import migrate
from services.local.nats import Nats
from tests.ends.edge.desk import Desk
from tests.ends.edge.house import House, edge_settings, running_edge
from tests.ends.fakes.identity import FakeIdentity
from tests.ends.fakes.town import Town
from tests.ends.handset import NOW, Handset
from tests.fixtures.postgres import PostgresForTests


@pytest.fixture(scope="session")
async def edge_database(postgres: PostgresForTests) -> AsyncIterator[Database]:
    """The edge's tables. Tests share them: each brings its own businesses."""
    database = await Database.open(await postgres.create_database("edge"), name="edge")
    await migrate(database, "services.ends.edge")
    yield database
    await database.close()


@pytest.fixture
async def desk(edge_database: Database, identity: FakeIdentity) -> Desk:
    """What an edge process keeps in memory, with one business that has published its keys."""
    desk = Desk(edge_database, identity, Vault(secrets.token_bytes(32)), ManualClock(NOW))
    await desk.begin()
    return desk


@pytest.fixture
def new_handset(tmp_path: Path, identity: FakeIdentity) -> Iterator[Callable[..., Handset]]:
    """Makes devices of new people, or of the person given."""
    handsets: list[Handset] = []

    def make(**given: object) -> Handset:
        handsets.append(Handset(tmp_path, identity, **given))  # type: ignore[arg-type]
        return handsets[-1]

    yield make
    for handset in handsets:
        handset.store.close()


@pytest.fixture
def handset(new_handset: Callable[..., Handset]) -> Handset:
    """The device of somebody."""
    return new_handset()


@pytest.fixture
async def house(
    town: Town, postgres: PostgresForTests, nats_server: Nats, tmp_path: Path
) -> AsyncIterator[House]:
    """A running edge of the test's own, in its own town."""
    url = await postgres.create_database("edge")
    async with running_edge(town, edge_settings(town, url, nats_server, tmp_path)) as house:
        yield house


@pytest.fixture
def townsman(town: Town, tmp_path: Path) -> Iterator[Handset]:
    """The device of somebody whom the town's identity knows."""
    handset = Handset(tmp_path, town.identity)
    yield handset
    handset.store.close()
