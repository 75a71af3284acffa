"""PromoteModel and RollbackModel: every replica switches while messages are screened, or none does.

The replicas are those of the whole file; each test leaves the configured model live.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from hudhud.policy.v1 import model_pb2
from hudhud.policy.v1 import model_service_pb2 as pb
from services.kit.errors import Refusal
from services.policy.store import replicas as rows
from tests.fixtures.waiting import eventually
from tests.policy.house import House, Replica
from tests.policy.operators import history, promote, replicas, rollback, states, upload
from tests.policy.parties import RECEIPT, Business, Person
from tests.policy.releases import EVERYTHING_IS_STOPPED, Press, Release

Change = model_pb2.ModelChange
Pair = tuple[Replica, Replica]


@pytest.fixture(scope="module")
async def pair(house_for_models: House, press: Press) -> AsyncIterator[Pair]:
    """Two replicas."""
    settings = press.settings
    async with (
        house_for_models.replica(**settings) as one,
        house_for_models.replica(**settings) as two,
    ):
        yield one, two


@pytest.fixture(scope="module")
async def strict(pair: Pair, press: Press) -> Release:
    """A release that stops everything, uploaded."""
    release = press.release(EVERYTHING_IS_STOPPED)
    await upload(pair[0], release)
    return release


@pytest.fixture(scope="module")
async def plain(pair: Pair, press: Press) -> Release:
    """A release that decides as the configured model does, uploaded."""
    release = press.release()
    await upload(pair[1], release)
    return release


@asynccontextmanager
async def traffic(*replicas: Replica) -> AsyncIterator[list[str]]:
    """Messages, all different, screened some dozens a second, so that the machine is not too busy
    to load a model; yields what became of each.
    """
    outcomes: list[str] = []
    words = iter(range(10**6))
    stop = asyncio.Event()

    async def send(replica: Replica) -> None:
        business, person = Business(replica), Person(replica)
        while not stop.is_set():
            word = "".join(chr(97 + int(digit)) for digit in str(next(words)))
            items = [business.item(person, f"{RECEIPT} Thank you, {word} {n}.") for n in "xyz"]
            screened = await business.screen(*items)
            outcomes.extend(str(outcome.WhichOneof("outcome")) for outcome in screened)
            await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as tasks:
        for replica in replicas:
            tasks.create_task(send(replica))
        try:
            await some_more(outcomes)
            yield outcomes
            await some_more(outcomes)
        finally:
            stop.set()


async def some_more(outcomes: list[str]) -> set[str]:
    """What became of messages from now on, but for those that were under way."""
    count = len(outcomes)
    await eventually(lambda: len(outcomes) >= count + 30)
    return set(outcomes[count + 6 :])


async def test_replicas_switch_under_load_without_a_failed_call(
    pair: Pair, strict: Release, plain: Release
) -> None:
    one, two = pair
    business, person = Business(one), Person(one)
    async with traffic(one, two) as outcomes:
        await business.allowed(business.item(person, RECEIPT))
        promoted = await promote(one, strict.version)
        assert [each.live_version for each in promoted.replicas] == [strict.version] * 2
        assert await some_more(outcomes) == {"blocked"}
        # The same text as before: no opinion is remembered over a switch.
        item = business.item(person, RECEIPT)
        [finding] = await business.blocked(item)
        assert finding.witness.endswith(strict.version)
        # Promoted again, from the other replica: nothing happens.
        again = await promote(two, strict.version)
        assert again.change == promoted.change
        await promote(two, plain.version)
        assert await some_more(outcomes) == {"allowed"}
        back = await rollback(two, plain.version)
        assert back.change.version == strict.version
        assert await some_more(outcomes) == {"blocked"}
        with pytest.raises(Refusal, match="MODEL_NOT_LIVE") as refused:
            await rollback(two, plain.version)
        assert refused.value.metadata["live_version"] == strict.version
        # One promotion further back: what the configuration gives.
        assert (await rollback(one, strict.version)).change.version == ""
        assert await some_more(outcomes) == {"allowed"}
    assert set(outcomes) == {"allowed", "blocked"}
    [row] = await one.house.rows(
        "SELECT model_version FROM verdicts WHERE message_id::text = $1", item.message_id
    )
    assert row["model_version"] == strict.version
    assert (await history(one))[:4] == [
        (Change.KIND_ROLLED_BACK, ""),
        (Change.KIND_ROLLED_BACK, strict.version),
        (Change.KIND_PROMOTED, plain.version),
        (Change.KIND_PROMOTED, strict.version),
    ]


async def test_one_switch_at_a_time_and_a_new_replica_runs_what_is_live(
    pair: Pair, strict: Release, plain: Release, press: Press
) -> None:
    one, two = pair
    outcomes = await asyncio.gather(
        promote(one, strict.version), promote(two, plain.version), return_exceptions=True
    )
    refused = [each for each in outcomes if isinstance(each, Refusal)]
    assert [each.reason.name for each in refused] == ["MODEL_CHANGE_UNDER_WAY"]
    told = await replicas(one)
    assert {each.live_version for each in told.replicas} == {told.live_version}
    assert (await states(one))[told.live_version] == model_pb2.Model.STATE_LIVE
    async with one.house.replica(**press.settings) as three:
        assert {each.live_version for each in (await replicas(three)).replicas} == {
            told.live_version
        }
        judge = three.servicer._parts.models.live
        assert judge.model.version == told.live_version
        # Its process dies; the files of the model are still there to start it again.
        os.kill(judge.process_id, signal.SIGKILL)
        business, person = Business(three), Person(three)
        await business.refused(business.item(person, RECEIPT))
        await eventually(lambda: judge.process_id is not None)
        await business.screen(business.item(person, RECEIPT))
    # It said good-bye.
    assert len((await replicas(one)).replicas) == 2
    await rollback(one, told.live_version)


async def test_a_model_that_a_replica_cannot_load_is_promoted_nowhere(
    pair: Pair, strict: Release, tmp_path: Path
) -> None:
    """The third replica trusts another key, and so refuses, as one of another release would."""
    one, two = pair
    other = Press(tmp_path).settings
    async with one.house.replica(**other) as three:
        with pytest.raises(Refusal, match="MODEL_NOT_LOADABLE") as refused:
            await promote(one, strict.version)
        assert refused.value.metadata["why"].startswith("SignedByAnotherKey")
        for replica in (one, two, three):
            business, person = Business(replica), Person(replica)
            await business.allowed(business.item(person, RECEIPT))
        assert (await history(one))[0] == (Change.KIND_CALLED_OFF, strict.version)
        assert (await states(two))[strict.version] == model_pb2.Model.STATE_STORED
    # Once it is gone, nothing is in the way.
    await promote(one, strict.version)
    async with one.house.replica(**other) as three:
        # It says that it cannot run the live one, and works with its own.
        told = (await replicas(three)).replicas[-1]
        assert told.live_version == told.configured_version != strict.version
        assert [each.version for each in told.refusals] == [strict.version]
        business, person = Business(three), Person(three)
        await business.allowed(business.item(person, RECEIPT))
    await rollback(two, strict.version)


async def test_a_replica_that_was_killed_holds_a_promotion_up_but_not_for_long(
    pair: Pair, strict: Release
) -> None:
    one, two = pair
    await killed_replica(one)
    models = await two.models()
    with pytest.raises(Refusal, match="DEADLINE_EXCEEDED"):
        await models.PromoteModel(pb.PromoteModelRequest(version=strict.version), timeout=1)

    async def called_off() -> bool:
        return (await history(one))[0] == (Change.KIND_CALLED_OFF, strict.version)

    await eventually(called_off)
    assert (await states(one))[strict.version] == model_pb2.Model.STATE_STORED
    # Silent for long enough, it is gone.
    promoted = await promote(two, strict.version)
    assert len(promoted.replicas) == 2
    await rollback(one, strict.version)


async def test_a_switch_whose_driver_was_killed_is_in_nobodys_way(
    pair: Pair, strict: Release
) -> None:
    """The candidate that it left expires; until then nobody else switches."""
    one, _ = pair
    candidate = "UPDATE model_roles SET candidate_id = $1, candidate_version = $2, "
    await one.house.rows(
        candidate + "candidate_expire_time = now() + interval '1 minute'", uuid4(), strict.version
    )
    with pytest.raises(Refusal, match="MODEL_CHANGE_UNDER_WAY"):
        await promote(one, strict.version)
    await one.house.rows("UPDATE model_roles SET candidate_expire_time = now()")
    await promote(one, strict.version)
    await rollback(one, strict.version)


async def killed_replica(replica: Replica) -> None:
    """Leave the row of a replica that was heard of a moment ago."""
    async with replica.servicer._database.connection("test") as connection:
        await rows.put(
            connection,
            uuid4(),
            host="killed",
            configured_version="",
            live_version="",
            shadow_version="",
            ready_versions=[],
            refusals={},
        )
