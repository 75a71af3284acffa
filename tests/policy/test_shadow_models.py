"""ShadowModel: live traffic is judged twice, out of everybody's way, and only counts are kept."""

import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hudhud.policy.v1 import label_pb2, model_pb2
from hudhud.policy.v1 import model_service_pb2 as pb
from services.kit.errors import Refusal
from services.policy import shadow as shadows
from tests.fixtures.waiting import eventually
from tests.policy.house import House, Replica
from tests.policy.operators import history, promote, replicas, states, upload
from tests.policy.parties import MARKETING, OFFER, RECEIPT, RECEIPT_ARABIC, REPLY, Business, Person
from tests.policy.releases import EVERYTHING_IS_STOPPED, Press, Release

Change = model_pb2.ModelChange


@pytest.fixture(scope="module")
async def replica(house_for_models: House, press: Press) -> AsyncIterator[Replica]:
    async with house_for_models.replica(**press.settings) as replica:
        yield replica


@pytest.fixture(scope="module")
async def strict(replica: Replica, press: Press) -> Release:
    """A release that would stop every notification, uploaded."""
    release = press.release(EVERYTHING_IS_STOPPED)
    await upload(replica, release)
    return release


@pytest.fixture
async def in_shadow(replica: Replica, strict: Release) -> AsyncIterator[Release]:
    """The same, watching from now on."""
    models = await replica.models()
    await models.ShadowModel(pb.ShadowModelRequest(version=strict.version))

    async def watches() -> bool:
        told = await replicas(replica)
        return [each.shadow_version for each in told.replicas] == [strict.version]

    # It gives way to whatever else the machine does, also while it is loaded.
    await eventually(watches, 100)
    yield strict
    await models.EndShadow(pb.EndShadowRequest())


async def report(replica: Replica, version: str) -> model_pb2.ShadowReport:
    models = await replica.models()
    answer = await models.GetShadowReport(pb.GetShadowReportRequest(version=version))
    told: model_pb2.ShadowReport = answer.report
    return told


async def judged(replica: Replica, version: str, count: int) -> model_pb2.ShadowReport:
    """The report, once so many messages are in it."""

    async def all_counted() -> bool:
        told = await report(replica, version)
        return bool(told.judged_count + told.dropped_count >= count)

    await eventually(all_counted)
    return await report(replica, version)


async def test_the_report_adds_up(replica: Replica, in_shadow: Release) -> None:
    business, person = Business(replica), Person(replica)
    stopped_by_one = [business.item(person, f"{RECEIPT} {word}") for word in "abcde"]
    items = [
        *stopped_by_one,
        business.item(person, RECEIPT_ARABIC),
        business.item(person, OFFER),
        business.item(person, RECEIPT, REPLY),
        business.item(person, OFFER, category=MARKETING),
        business.item(person, "7"),
    ]
    await business.screen(*items)
    # Asked again, they are answered as before and not judged anew.
    await business.screen(*items)
    told = await judged(replica, in_shadow.version, len(items))
    assert told.version == in_shadow.version
    assert told.share_percent == 100
    assert told.dropped_count == 0
    assert not told.HasField("end_time")
    counts = {
        (each.language_code, each.use): (
            each.both_allowed_count,
            each.both_blocked_count,
            each.live_blocked_count,
            each.shadow_blocked_count,
        )
        for each in told.decisions
    }
    assert counts == {
        ("en", "direct.utility"): (0, 1, 0, 5),
        ("ar", "direct.utility"): (0, 0, 0, 1),
        ("en", "direct.marketing"): (0, 1, 0, 0),
        ("en", "reply.service"): (1, 0, 0, 0),
        ("und", "direct.utility"): (1, 0, 0, 0),
    }
    assert told.judged_count == sum(sum(each) for each in counts.values()) == len(items)
    for scores in told.scores:
        read = 8 if scores.language_code == "en" else 1
        assert len(scores.live_counts) == len(scores.shadow_counts) == 20
        assert sum(scores.live_counts) == sum(scores.shadow_counts) == read
    assert {(each.language_code, each.label) for each in told.scores} == {
        (language, label)
        for language in ("en", "ar")
        for label in label_pb2.Label.values()
        if label
    }
    models = await replica.models()
    first = await models.ListShadowDisagreements(
        pb.ListShadowDisagreementsRequest(version=in_shadow.version, page_size=4)
    )
    rest = await models.ListShadowDisagreements(
        pb.ListShadowDisagreementsRequest(
            version=in_shadow.version, page_token=first.next_page_token
        )
    )
    listed = [*first.disagreements, *rest.disagreements]
    assert {each.message_id for each in listed} == {
        item.message_id for item in [*stopped_by_one, items[5]]
    }
    assert all(each.shadow_blocked and not each.live_blocked for each in listed)
    assert {each.business_id for each in listed} == {str(business.business_id)}


async def test_no_text_is_kept(replica: Replica, in_shadow: Release) -> None:
    business, person = Business(replica), Person(replica)
    await business.screen(business.item(person, f"{RECEIPT} Zanzibar"))
    await judged(replica, in_shadow.version, 1)
    for table in ("shadow_tallies", "shadow_disagreements"):
        rows = await replica.house.rows(f"SELECT {table}::text FROM {table}")
        assert rows
        assert not [row for row in rows if "Zanzibar" in row[0] or "receipt" in row[0].lower()]


async def test_nobody_waits_for_it(
    replica: Replica, in_shadow: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process hangs: messages are answered as ever, and what does not fit is dropped."""
    monkeypatch.setattr(shadows, "WAITING_MAX", 3)
    shadow = replica.servicer._parts.models.shadow
    process_id = shadow._watch.judge.process_id
    business, person = Business(replica), Person(replica)
    os.kill(process_id, signal.SIGSTOP)
    try:
        for word in "abcdefgh":
            await business.allowed(business.item(person, f"{RECEIPT} Stopped {word}"))
    finally:
        os.kill(process_id, signal.SIGCONT)
    told = await judged(replica, in_shadow.version, 8)
    assert told.judged_count + told.dropped_count == 8
    assert told.dropped_count >= 4


async def test_what_waits_when_it_ends_is_counted_too(replica: Replica, in_shadow: Release) -> None:
    """One message is just being read, two wait."""
    process_id = replica.servicer._parts.models.shadow._watch.judge.process_id
    business, person = Business(replica), Person(replica)
    os.kill(process_id, signal.SIGSTOP)
    try:
        for word in "abc":
            await business.allowed(business.item(person, f"{RECEIPT} Waiting {word}"))
        await (await replica.models()).EndShadow(pb.EndShadowRequest())

        async def ended() -> bool:
            return [each.shadow_version for each in (await replicas(replica)).replicas] == [""]

        await eventually(ended)
    finally:
        os.kill(process_id, signal.SIGCONT)
    told = await judged(replica, in_shadow.version, 3)
    assert (told.judged_count, told.dropped_count) == (1, 2)


async def test_a_share_of_the_batches(replica: Replica, in_shadow: Release) -> None:
    models = await replica.models()
    before = await history(replica)
    await models.ShadowModel(pb.ShadowModelRequest(version=in_shadow.version, share_percent=25))
    assert await history(replica) == before
    shadow = replica.servicer._parts.models.shadow
    await eventually(lambda: shadow._watch.share_percent == 25)
    business, person = Business(replica), Person(replica)
    for word in "abcdefgh":
        await business.allowed(business.item(person, f"{RECEIPT} Shared {word}"))
    told = await judged(replica, in_shadow.version, 2)
    assert (told.judged_count, told.share_percent) == (2, 25)


async def test_a_shadow_ends_with_a_promotion_and_is_told_afterwards(
    replica: Replica, in_shadow: Release
) -> None:
    models = await replica.models()
    business, person = Business(replica), Person(replica)
    await business.allowed(business.item(person, RECEIPT))
    await judged(replica, in_shadow.version, 1)
    assert (await states(replica))[in_shadow.version] == model_pb2.Model.STATE_SHADOW
    await promote(replica, in_shadow.version)
    assert (await history(replica))[:2] == [
        (Change.KIND_SHADOW_ENDED, in_shadow.version),
        (Change.KIND_PROMOTED, in_shadow.version),
    ]
    told = await report(replica, in_shadow.version)
    assert told.judged_count == 1
    assert told.HasField("end_time")
    with pytest.raises(Refusal, match="MODEL_IS_LIVE"):
        await models.ShadowModel(pb.ShadowModelRequest(version=in_shadow.version))
    assert (await models.EndShadow(pb.EndShadowRequest())).version == ""
    answer: Any = await models.RollbackModel(
        pb.RollbackModelRequest(version=in_shadow.version), timeout=60
    )
    assert answer.change.version == ""
