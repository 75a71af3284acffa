"""What arrives on a device: shown once and in full, or refused for a reason and never shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from hudhud.clearance.v1 import clearance_pb2
from services.ends.device.inbox import category_of
from services.ends.device.store import Store
from services.ends.sealing.sessions import SKIPPED_KEYS_MAX
from services.kit.signing import SigningKey
from tests.ends.device.owner import Owner
from tests.ends.device.pen import Pen
from tests.ends.fakes.identity import Person
from tests.ends.fakes.town import Town
from tests.ends.fakes.troubles import away

Switch = Callable[[], Awaitable[Owner]]


async def test_a_message_is_shown_stored_and_acked(owner: Owner, pen: Pen) -> None:
    envelope = pen.write(owner.person, owner.end_id, "طلبك في الطريق")
    assert await owner.get(envelope) == [""]
    message = await owner.next()
    assert (message.message_id, message.business_id) == (envelope.message_id, pen.business_id)
    assert category_of(message) == clearance_pb2.CATEGORY_UTILITY
    assert owner.device.history(pen.business_id) == [message]
    assert owner.texts == ["طلبك في الطريق"]


async def test_a_repetition_is_acked_and_not_shown_again(
    owner: Owner, pen: Pen, switch_on: Switch
) -> None:
    first, second = (pen.write(owner.person, owner.end_id, text) for text in ("one", "two"))
    assert await owner.get(first, first) == ["", ""]
    assert await owner.get(first, second) == ["", ""]
    assert [await owner.next_text() for _ in range(2)] == ["one", "two"]
    await owner.switch_off()
    again = await switch_on()
    third = pen.write(again.person, again.end_id, "three")
    assert await again.get(first, second, third) == ["", "", ""]
    # What came before it was switched on is history, not news.
    assert await again.next_text() == "three"
    assert again.texts == ["one", "two", "three"]


async def test_what_comes_out_of_order_opens_within_the_ratchets_limit(
    owner: Owner, pen: Pen
) -> None:
    written = [
        pen.write(owner.person, owner.end_id, f"{number}") for number in range(SKIPPED_KEYS_MAX + 1)
    ]
    assert await owner.get(*written[::-1]) == [""] * len(written)
    assert sorted(owner.texts, key=int) == [f"{number}" for number in range(len(written))]


async def test_one_that_was_skipped_too_far_is_refused(owner: Owner, pen: Pen) -> None:
    first, *rest = (
        pen.write(owner.person, owner.end_id, f"{number}") for number in range(SKIPPED_KEYS_MAX + 2)
    )
    await owner.get(rest[-1])
    assert await owner.get(first) == ["UNDECRYPTABLE"]
    assert await owner.get(*rest[:-1]) == [""] * len(rest[:-1])


# --- Lies -----------------------------------------------------------------------------------------

OTHER_ID = str(uuid4())
LIES: dict[str, tuple[dict[str, Any], str]] = {
    "cleared for another person": ({"cleared": {"contact_id": "c_" + "b" * 55}}, "WRONG_RECIPIENT"),
    "cleared for another business": ({"cleared": {"business_id": OTHER_ID}}, "WRONG_BUSINESS"),
    "cleared as another message": ({"cleared": {"message_id": OTHER_ID}}, "WRONG_MESSAGE"),
    "not what was screened": ({"inside": {"content": b"\n\x05\n\x03ad!"}}, "COMMITMENT_MISMATCH"),
    "no commitment": ({"cleared": {"commitment": b""}}, "COMMITMENT_MISMATCH"),
    "another franking key": ({"inside": {"franking_key": bytes(32)}}, "COMMITMENT_MISMATCH"),
    "sealed as another message": ({"inside": {"message_id": OTHER_ID}}, "WRONG_MESSAGE"),
    "sealed for another business": ({"inside": {"business_id": OTHER_ID}}, "WRONG_BUSINESS"),
    "delivered as another message": ({"outside": {"message_id": OTHER_ID}}, "WRONG_MESSAGE"),
    "no clearance": (
        {"outside": {"clearance": clearance_pb2.SignedClearance()}},
        "CLEARANCE_INVALID",
    ),
    "from an edge that nobody knows": (
        {"outside": {"sender_end_id": OTHER_ID}},
        "UNKNOWN_SENDER",
    ),
    "from a business that nobody knows": (
        {"outside": {"business_id": OTHER_ID}},
        "UNKNOWN_SENDER",
    ),
    "damaged": ({"outside": {"ciphertext": b"\x03\x00" * 60}}, "UNDECRYPTABLE"),
    "of no session": ({"outside": {"olm_type": 1}}, "UNDECRYPTABLE"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_what_policy_did_not_clear_for_this_person_is_refused_and_not_shown(
    owner: Owner, pen: Pen, lie: str
) -> None:
    changes, reason = LIES[lie]
    lied = pen.write(owner.person, owner.end_id, "a lie", **changes)
    true = pen.write(owner.person, owner.end_id, "the truth", anew="olm_type" in str(changes))
    assert await owner.get(lied, true) == [reason, ""]
    assert await owner.next_text() == "the truth"
    assert owner.texts == ["the truth"]


async def test_a_clearance_that_somebody_else_signed_is_refused(
    owner: Owner, pen: Pen, town: Town
) -> None:
    envelope = pen.write(owner.person, owner.end_id, "a lie")
    true_key, town.policy.key = town.policy.key, SigningKey.generate()
    forged = pen.write(owner.person, owner.end_id, "another").clearance
    town.policy.key = true_key
    envelope.clearance.CopyFrom(forged)
    assert await owner.get(envelope) == ["CLEARANCE_INVALID"]
    envelope = pen.write(owner.person, owner.end_id, "a lie")
    envelope.clearance.clearance += b"\x0a\x00"
    assert await owner.get(envelope) == ["CLEARANCE_INVALID"]
    assert owner.texts == []


async def test_somebody_elses_message_is_refused(owner: Owner, pen: Pen) -> None:
    """Also by the same edge: the clearance names the person."""
    other = Person("+963944999999")
    message = pen.write(other, owner.end_id, "not for you")
    assert await owner.get(message) == ["WRONG_RECIPIENT"]


async def test_another_businesss_edge_cannot_speak_for_this_one(
    owner: Owner, pen: Pen, town: Town
) -> None:
    impostor = Pen(town)
    await impostor.publish()
    await owner.get(pen.write(owner.person, owner.end_id, "true"))
    lied = impostor.write(
        owner.person,
        owner.end_id,
        "I am the bank",
        cleared={"business_id": pen.business_id, "contact_id": pen.contact_id(owner.person)},
        inside={"business_id": pen.business_id},
        outside={"business_id": pen.business_id, "sender_end_id": pen.edge_id},
    )
    assert await owner.get(lied) == ["UNDECRYPTABLE"]
    assert owner.texts == ["true"]


# --- Crashes and absences -------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_failure_around_storing_loses_nothing_and_shows_nothing_twice(
    owner: Owner, pen: Pen, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The session in memory was ahead of the one on disk; the redelivery opens all the same."""
    save = Store.save
    failures = 0

    def fail(store: Store, **given: Any) -> None:
        nonlocal failures
        if moment == "after":
            save(store, **given)
        failures += 1
        raise OSError("no space left on device")

    with monkeypatch.context() as failing:
        failing.setattr(Store, "save", fail)
        for text in ("one", "two"):
            envelope = pen.write(owner.person, owner.end_id, text)
            await owner.town.messaging.put(owner.end_id, envelope)
        await owner.until(lambda: failures >= 2)
        assert owner.town.messaging.acks == []
    await owner.until(lambda: len(owner.town.messaging.acks) == 2)
    assert {ack.refusal_reason for _, ack in owner.town.messaging.acks} == {""}
    assert owner.texts == ["one", "two"]


async def test_while_identity_is_away_nothing_of_an_unknown_business_is_acked(
    owner: Owner, pen: Pen, town: Town
) -> None:
    town.identity.troubles.refusals["GetBusinessProfile"] = away()
    await town.messaging.put(owner.end_id, pen.write(owner.person, owner.end_id, "text"))
    await owner.until(lambda: town.identity.troubles.calls["GetBusinessProfile"] >= 2)
    assert town.messaging.acks == []
    town.identity.troubles.refusals.clear()
    assert await owner.next_text() == "text"


async def test_a_broken_stream_is_opened_again_and_brings_what_was_not_acked(
    owner: Owner, pen: Pen, town: Town
) -> None:
    await owner.get(pen.write(owner.person, owner.end_id, "one"))
    await town.messaging.break_streams()
    await owner.get(pen.write(owner.person, owner.end_id, "two"))
    assert town.messaging.streams_opened == 2
    assert owner.texts == ["one", "two"]


async def test_streams_that_bring_nothing_are_opened_again_ever_more_slowly(
    owner: Owner, pen: Pen, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep, pauses = town.clock.sleep, list[float]()

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(seconds)

    async def break_stream() -> None:
        opened = town.messaging.streams_opened
        await town.messaging.break_streams()
        await owner.until(lambda: town.messaging.streams_opened > opened)

    await owner.until(lambda: town.messaging.streams_opened)
    monkeypatch.setattr(town.clock, "sleep", noted)
    for _ in range(5):
        await break_stream()
    await owner.get(pen.write(owner.person, owner.end_id, "one"))
    await break_stream()
    # Of many phones that a replica leaves behind no two come back at one moment.
    for pause, published in zip(pauses, (0.05, 0.15, 0.45, 1, 1, 0.05), strict=True):
        assert pause != published
        assert pause == pytest.approx(published, rel=0.2)


# --- Keys -----------------------------------------------------------------------------------------


async def begin_sessions(owner: Owner, pen: Pen, count: int) -> None:
    """Messages that each use up a one-time key."""
    written = [
        pen.write(owner.person, owner.end_id, f"{number}", anew=True) for number in range(count)
    ]
    assert set(await owner.get(*written)) == {""}


async def test_one_time_keys_are_replenished(owner: Owner, pen: Pen, town: Town) -> None:
    device = town.identity.find_device(owner.end_id)
    assert device is not None
    await begin_sessions(owner, pen, 30)
    assert len(device.one_time_keys) == 20
    await begin_sessions(owner, pen, 1)
    await owner.until(lambda: len(device.one_time_keys) == 69)
    await begin_sessions(owner, pen, 5)


async def test_while_keys_cannot_be_published_messages_arrive_and_keys_do_not_pile_up(
    owner: Owner, pen: Pen, town: Town
) -> None:
    device = town.identity.find_device(owner.end_id)
    assert device is not None
    town.identity.troubles.lost_answers["PublishDeviceKeys"] = 6
    await begin_sessions(owner, pen, 31)
    await owner.until(lambda: town.identity.troubles.calls["PublishDeviceKeys"] >= 7)
    assert len(device.keys.one_time_keys) == 100
    await begin_sessions(owner, pen, 2)


async def test_where_one_time_keys_have_run_out_the_fallback_key_serves(
    owner: Owner, pen: Pen, town: Town
) -> None:
    device = town.identity.find_device(owner.end_id)
    assert device is not None
    device.one_time_keys.clear()
    await begin_sessions(owner, pen, 3)
    assert owner.texts == ["0", "1", "2"]
