"""Whoever is killed in the middle of a promotion: every replica switches, or none does.

The replicas are processes. A promotion stands still after all are ready and before anything is
decided, for as long as a test likes: the test holds a lock on the history, and the decision is
written there first.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from hudhud.policy.v1 import model_pb2
from tests.fixtures.waiting import eventually
from tests.policy.house import House, Replica
from tests.policy.operators import history, promote, upload
from tests.policy.parties import RECEIPT, Business, Person
from tests.policy.processes import Process, process
from tests.policy.releases import Press, Release

# Processes are started again and again, on a machine that tests keep busy.
pytestmark = pytest.mark.timeout(300)

SECONDS_MAX = 120.0


@pytest.fixture(scope="module")
def settings(press: Press) -> dict[str, Any]:
    """The same for all replicas, also those that come later."""
    return press.settings


@pytest.fixture(scope="module")
async def survivor(house_for_models: House, settings: dict[str, Any]) -> AsyncIterator[Process]:
    """The replica that nobody kills."""
    async with process(house_for_models, **settings) as survivor:
        yield survivor


@pytest.fixture
async def victim(survivor: Process, settings: dict[str, Any]) -> AsyncIterator[Process]:
    """The replica that is killed."""
    async with process(survivor.house, **settings) as victim:
        yield victim
    # The next test need not wait until it is forgotten, nor for what it left.
    rows = survivor.house.rows
    await rows("DELETE FROM model_replicas WHERE host LIKE $1", f"%/{victim.process_id}")
    await rows("UPDATE model_roles SET candidate_expire_time = now()")


@pytest.fixture
async def release(survivor: Process, press: Press) -> Release:
    """A release like no other, uploaded."""
    release = press.release()
    await upload(survivor, release)
    return release


@asynccontextmanager
async def standing_still(driver: Process, release: Release) -> AsyncIterator[None]:
    """A promotion in its middle, for as long as this is open."""
    async with AsyncExitStack() as stack:
        database = await asyncpg.connect(driver.house.database_url)
        stack.push_async_callback(database.close)

        async def waits() -> bool:
            return bool(
                await database.fetchval(
                    "SELECT count(*) FROM pg_locks"
                    " WHERE relation = 'model_changes'::regclass AND NOT granted"
                )
            )

        async with database.transaction():
            await database.execute("LOCK TABLE model_changes IN SHARE MODE")
            call = asyncio.ensure_future(promote(driver, release.version))
            call.add_done_callback(lambda done: done.cancelled() or done.exception())
            await eventually(waits, SECONDS_MAX)
            yield
        # The row is locked until the decision is made, or undone because nobody asks for more.
        await database.execute("SELECT FROM model_roles FOR UPDATE")


async def judged_by(replica: Replica) -> str:
    """The version of the model that decides here."""
    business, person = Business(replica), Person(replica)
    item = business.item(person, RECEIPT)
    await business.allowed(item)
    [row] = await replica.house.rows(
        "SELECT model_version FROM verdicts WHERE message_id::text = $1", item.message_id
    )
    return str(row["model_version"])


async def looked_again(replica: Process) -> None:
    """Wait until the replica has followed what is decided now."""
    times: set[Any] = set()

    async def seen_twice() -> bool:
        [time] = await replica.house.rows(
            "SELECT seen_time FROM model_replicas WHERE host LIKE $1", f"%/{replica.process_id}"
        )
        times.add(time["seen_time"])
        # The first is from before; the second may be of a look that began before.
        return len(times) > 2

    await eventually(seen_twice, SECONDS_MAX)


async def test_a_driver_killed_before_the_decision_leaves_everything_as_it_was(
    survivor: Process, victim: Process, release: Release, settings: dict[str, Any]
) -> None:
    before = await judged_by(survivor)
    async with standing_still(victim, release):
        await victim.kill()
    await looked_again(survivor)
    assert await judged_by(survivor) == before
    async with process(survivor.house, **settings) as started_again:
        assert await judged_by(started_again) == before
    assert (model_pb2.ModelChange.KIND_PROMOTED, release.version) not in await history(survivor)


async def test_a_driver_killed_after_the_decision_leaves_nobody_behind(
    survivor: Process, victim: Process, release: Release, settings: dict[str, Any]
) -> None:
    """The other replica stands still from before the decision until the driver is dead."""
    stopped = survivor.process_id

    async def decided() -> bool:
        rows = await survivor.house.rows("SELECT live_version FROM model_roles")
        return bool(rows[0]["live_version"] == release.version)

    try:
        async with standing_still(victim, release):
            os.kill(stopped, signal.SIGSTOP)
        await eventually(decided, SECONDS_MAX)
        await victim.kill()
    finally:
        os.kill(stopped, signal.SIGCONT)
    await looked_again(survivor)
    assert await judged_by(survivor) == release.version
    async with process(survivor.house, **settings) as started_again:
        assert await judged_by(started_again) == release.version


async def test_a_replica_killed_before_the_decision_switches_when_it_is_back(
    survivor: Process, victim: Process, release: Release, settings: dict[str, Any]
) -> None:
    """It had said that it was ready."""
    async with standing_still(survivor, release):
        await victim.kill()
    await looked_again(survivor)
    assert await judged_by(survivor) == release.version
    async with process(survivor.house, **settings) as started_again:
        assert await judged_by(started_again) == release.version
