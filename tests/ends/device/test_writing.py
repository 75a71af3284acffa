"""What a person writes: on disk before it leaves, the same ciphertext again, in order, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest

from hudhud.content.v1 import content_pb2
from hudhud.identity.v1 import device_pb2
from hudhud.messaging.v1 import messaging_service_pb2
from services.ends.device.store import Store
from services.ends.sealing import envelopes
from services.ends.sealing.sessions import BEGINS, Session, session_id_of
from services.kit.errors import Refusal, received_reason
from tests.ends.device.owner import Owner
from tests.ends.device.pen import Pen
from tests.ends.fakes.town import Town
from tests.ends.fakes.troubles import away

Switch = Callable[[], Awaitable[Owner]]


class Reader:
    """The business's end: opens what messaging got, each message once."""

    def __init__(self, pen: Pen, town: Town) -> None:
        self._pen = pen
        self._town = town
        self._sessions: dict[str, Session] = {}
        self._last: Session | None = None
        self._seen: set[str] = set()

    def read(self, owner: Owner) -> list[str]:
        """The texts of what is new."""
        texts = []
        for item in self._town.messaging.submitted:
            if item.message_id in self._seen:
                continue
            self._seen.add(item.message_id)
            [sealed] = item.envelopes
            assert sealed.end_id == self._pen.edge_id
            opened = envelopes.unpack(self._open(owner, sealed.olm_type, sealed.ciphertext))
            assert (opened.message_id, opened.business_id) == (item.message_id, item.business_id)
            texts.append(content_pb2.Content.FromString(opened.content).text.body)
        return texts

    def _open(self, owner: Owner, olm_type: int, ciphertext: bytes) -> bytes:
        session_id = session_id_of(ciphertext) if olm_type == BEGINS else None
        if session_id is None:
            return self._pen.session(owner.end_id).open(olm_type, ciphertext)
        if session_id in self._sessions:
            return self._sessions[session_id].open(olm_type, ciphertext)
        device = self._town.identity.find_device(owner.end_id)
        assert device is not None
        key = device.long_term().curve25519_key
        self._sessions[session_id], plaintext = self._pen.account.accept_session(key, ciphertext)
        return plaintext


@pytest.fixture
def reader(pen: Pen, town: Town) -> Reader:
    return Reader(pen, town)


def ciphertexts(items: list[messaging_service_pb2.SubmitItem]) -> set[bytes]:
    return {envelope.ciphertext for item in items for envelope in item.envelopes}


async def test_a_reply_reaches_the_business_and_is_in_the_history(
    owner: Owner, pen: Pen, reader: Reader
) -> None:
    message_id = await owner.device.reply(pen.business_id, "متى يصل الطلب؟")
    assert reader.read(owner) == ["متى يصل الطلب؟"]
    [message] = owner.device.history()
    assert (message.message_id, message.incoming) == (message_id, False)


async def test_an_answer_goes_in_the_session_that_the_business_began(
    owner: Owner, pen: Pen, reader: Reader, town: Town
) -> None:
    for turn in range(3):
        await owner.get(pen.write(owner.person, owner.end_id, f"question {turn}"))
        await owner.device.reply(pen.business_id, f"answer {turn}")
        assert reader.read(owner) == [f"answer {turn}"]
    assert town.identity.troubles.calls["ClaimKeyBundles"] == 0


async def test_many_at_once_are_each_sealed_once_and_in_order(
    owner: Owner, pen: Pen, reader: Reader, town: Town
) -> None:
    await owner.device.reply(pen.business_id, "first")
    await asyncio.gather(*(owner.device.reply(pen.business_id, f"{n}") for n in range(20)))
    assert sorted(reader.read(owner)[1:], key=int) == [f"{n}" for n in range(20)]
    assert len(ciphertexts(town.messaging.submitted)) == 21


async def test_what_was_stored_and_not_handed_over_goes_out_after_a_crash(
    owner: Owner, pen: Pen, reader: Reader, switch_on: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Store.save

    def save_and_crash(store: Store, **given: Any) -> None:
        save(store, **given)
        raise KeyboardInterrupt

    with monkeypatch.context() as crashing:
        crashing.setattr(Store, "save", save_and_crash)
        with pytest.raises(KeyboardInterrupt):
            await owner.device.reply(pen.business_id, "in spite of all")
    await owner.switch_off()
    again = await switch_on()
    await again.until(lambda: again.town.messaging.submitted)
    await again.device.reply(pen.business_id, "and after it")
    assert reader.read(again) == ["in spite of all", "and after it"]


@pytest.mark.parametrize("lost", ["the request", "the answer"])
async def test_what_messaging_did_not_answer_goes_out_again_as_the_same_ciphertext(
    owner: Owner, pen: Pen, reader: Reader, town: Town, lost: str
) -> None:
    troubles = town.messaging.troubles
    if lost == "the request":
        troubles.refusals["SubmitMessages"] = away()
    else:
        troubles.lost_answers["SubmitMessages"] = 1
    await owner.device.reply(pen.business_id, "one")
    await owner.device.reply(pen.business_id, "two")
    troubles.refusals.clear()
    await owner.until(lambda: len({item.message_id for item in town.messaging.submitted}) == 2)
    calls = troubles.calls["SubmitMessages"]
    assert len(ciphertexts(town.messaging.submitted)) == 2
    assert reader.read(owner) == ["one", "two"]
    # Nothing is left to hand over.
    await owner.device.reply(pen.business_id, "three")
    assert troubles.calls["SubmitMessages"] == calls + 1


async def test_a_failure_to_store_lets_nothing_leave(
    owner: Owner, pen: Pen, reader: Reader, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owner.device.reply(pen.business_id, "before")

    def fail(store: Store, **given: Any) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as failing:
        failing.setattr(Store, "save", fail)
        with pytest.raises(OSError, match="no space"):
            await owner.device.reply(pen.business_id, "never")
    await owner.device.reply(pen.business_id, "after")
    assert reader.read(owner) == ["before", "after"]


async def test_a_business_that_nobody_can_read_for_is_not_written_to(
    owner: Owner, town: Town
) -> None:
    with pytest.raises(Refusal) as refused:
        await owner.device.reply(Pen(town).business_id, "hello?")
    assert refused.value.reason.name == "BUSINESS_UNREACHABLE"
    assert owner.device.history() == []


async def test_keys_that_are_not_the_edges_begin_nothing(
    owner: Owner, pen: Pen, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    impostor = Pen(town)
    await impostor.publish()
    edge = town.identity.edges[pen.business_id]
    stranger = town.identity.edges[impostor.business_id]
    claim = edge.claim
    for lie in (
        stranger.claim,
        lambda: with_foreign_key(claim(), stranger.claim()),
        lambda: in_the_name_of(edge.end_id, stranger.claim()),
    ):
        monkeypatch.setattr(edge, "claim", lie)
        with pytest.raises(Refusal) as refused:
            await owner.device.reply(pen.business_id, "hello?")
        assert refused.value.reason.name == "BUSINESS_UNREACHABLE"
        monkeypatch.undo()


def with_foreign_key(
    bundle: device_pb2.KeyBundle, other: device_pb2.KeyBundle
) -> device_pb2.KeyBundle:
    """A bundle whose session key another end signed."""
    bundle.session_key.CopyFrom(other.session_key)
    return bundle


def in_the_name_of(end_id: str, bundle: device_pb2.KeyBundle) -> device_pb2.KeyBundle:
    """A sound bundle that says it is another end's."""
    bundle.end.end_id = end_id
    return bundle


async def test_while_identity_is_away_a_business_that_is_known_can_be_written_to(
    owner: Owner, pen: Pen, reader: Reader, town: Town
) -> None:
    await owner.device.reply(pen.business_id, "one")
    town.identity.troubles.refusals["GetBusinessProfile"] = away()
    await owner.device.reply(pen.business_id, "two")
    assert reader.read(owner) == ["one", "two"]


async def test_what_messaging_refuses_is_said_and_not_repeated(
    owner: Owner, pen: Pen, town: Town
) -> None:
    reason = received_reason("INVALID_FIELD", "hudhud", grpc.StatusCode.INVALID_ARGUMENT.value[0])
    town.messaging.refused_submissions = Refusal(reason, "No.")
    with pytest.raises(Refusal) as refused:
        await owner.device.reply(pen.business_id, "one")
    assert refused.value.reason.name == "INVALID_FIELD"
    town.messaging.refused_submissions = None
    await owner.device.reply(pen.business_id, "two")
    assert len(town.messaging.submitted) == 1
