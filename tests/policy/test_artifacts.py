"""Artifacts of models that nobody needs are swept; those that somebody may need are not."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.kit.clock import ManualClock, new_id
from services.kit.database import Connection, Database
from services.kit.migrate import migrate
from services.policy.artifacts import KEPT, ROLLBACKS_KEPT, sweep_artifacts
from services.policy.domain.models import Act, ChangeKind, KeptModel, Release
from services.policy.store import models
from tests.fixtures.postgres import PostgresForTests
from tests.policy.house import START

LONG_AGO = START - KEPT - timedelta(seconds=1)
NAMES = [f"{number:012x}" for number in range(ROLLBACKS_KEPT + 4)]


@pytest.fixture
async def database(postgres: PostgresForTests) -> AsyncIterator[Database]:
    """The database of a policy that does not run."""
    url = await postgres.create_database("policy")
    database = await Database.open(url, name="policy", connections_max=2, clock=ManualClock(START))
    await migrate(database, "services.policy")
    yield database
    await database.close()


async def uploaded(connection: Connection, version: str) -> None:
    """A model that was uploaded, long ago."""
    release = Release(version, version.ljust(64, "0"), LONG_AGO, ("en",), "A card.")
    act = Act("ops", "", LONG_AGO)
    await models.insert(connection, KeptModel(release, 2, "ops", LONG_AGO), b"{}")
    await models.put_artifact(connection, version, [b"a", b"b"])
    await models.record(connection, ChangeKind.UPLOADED, version, act)


async def promoted(connection: Connection, version: str) -> None:
    """What a promotion writes; long ago, too."""
    roles = await models.lock_roles(connection)
    change = await models.record(
        connection,
        ChangeKind.PROMOTED,
        version,
        Act("ops", "", LONG_AGO),
        previous_version=roles.live_version,
        previous_change_id=roles.live_change_id,
    )
    await models.put_live(connection, version, change.change_id)


async def sweep(database: Database) -> set[str]:
    """What is swept; the models say so themselves."""
    swept = await sweep_artifacts(database, ManualClock(START))
    async with database.connection("test") as connection:
        for name in swept:
            model = await models.get(connection, name)
            assert model is not None
            assert model.swept
            assert [piece async for piece in models.pieces(connection, name)] == []
    assert len(swept) == len(set(swept))
    return set(swept)


async def test_models_that_only_lie_there_are_swept(database: Database) -> None:
    async with database.transaction("test") as connection:
        for name in NAMES[:2]:
            await uploaded(connection, name)
        recently = Act("ops", "", START - KEPT)
        await models.record(connection, ChangeKind.SHADOW_ENDED, NAMES[1], recently)
    assert await sweep(database) == {NAMES[0]}
    assert await sweep(database) == set()


async def test_the_live_model_and_those_that_rollbacks_lead_to_stay(database: Database) -> None:
    async with database.transaction("test") as connection:
        for name in NAMES:
            await uploaded(connection, name)
            await promoted(connection, name)
    assert await sweep(database) == set(NAMES[: -1 - ROLLBACKS_KEPT])


async def test_after_a_rollback_as_many_more_are_possible(database: Database) -> None:
    """The model that was rolled back is on no road; the road begins one promotion earlier."""
    async with database.transaction("test") as connection:
        for name in NAMES:
            await uploaded(connection, name)
            await promoted(connection, name)
        roles = await models.lock_roles(connection)
        assert roles.live_change_id is not None
        last = await models.get_change(connection, roles.live_change_id)
        await models.put_live(connection, last.previous_version, last.previous_change_id)
    assert await sweep(database) == {*NAMES[: -2 - ROLLBACKS_KEPT], NAMES[-1]}


async def test_a_shadow_and_a_candidate_stay(database: Database) -> None:
    watching, coming, idle = NAMES[:3]
    async with database.transaction("test") as connection:
        for name in (watching, coming, idle):
            await uploaded(connection, name)
        change = await models.record(
            connection, ChangeKind.SHADOW_BEGAN, watching, Act("ops", "", LONG_AGO)
        )
        await models.put_shadow(connection, change)
        await models.put_candidate(connection, new_id(), coming, 60)
    assert await sweep(database) == {idle}
