"""What people write: opened once, told once, acked after it is stored, refused for a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from uuid import uuid4

import pytest

from hudhud.edge.v1 import edge_service_pb2
from services.ends.edge.domain import Incoming
from services.ends.edge.opening import Opening
from services.ends.edge.store import Store, VersionConflict
from services.ends.sealing import envelopes
from services.ends.sealing.sessions import SessionError
from services.kit.errors import Refusal
from tests.ends.edge.desk import Desk
from tests.ends.edge.mailbox import Mailbox, receive, receiver
from tests.ends.fakes.troubles import away
from tests.ends.handset import NOW, Handset

NewHandset = Callable[..., Handset]


async def texts(desk: Desk) -> list[str]:
    """What the business was told that people wrote, in order."""
    events = [
        edge_service_pb2.Event.FromString(one.payload)
        for one in await desk.store.list_events(desk.business_id, 0, 1000)
    ]
    return [event.message_received.content.text.body for event in events]


async def test_what_a_person_writes_becomes_events_in_order(desk: Desk, handset: Handset) -> None:
    frames = [
        [handset.write(desk.business_id, text) for text in ("السلام عليكم", "two")],
        [handset.write(desk.business_id, "three")],
    ]
    acks = await receive(desk, *frames)
    assert acks == {one.envelope_id: "" for frame in frames for one in frame}
    assert await texts(desk) == ["السلام عليكم", "two", "three"]
    [event, *_] = await desk.store.list_events(desk.business_id, 0, 1)
    received = edge_service_pb2.Event.FromString(event.payload).message_received
    assert received.contact_id == handset.contact_id(desk.business_id)
    assert received.accept_time.ToDatetime() == NOW.replace(tzinfo=None)


async def test_repetitions_are_acked_and_told_once(desk: Desk, handset: Handset) -> None:
    first, second = (handset.write(desk.business_id, text) for text in ("one", "two"))
    again = replace(first, envelope_id=first.envelope_id + 1)
    assert set((await receive(desk, [first, again])).values()) == {""}
    assert set((await receive(desk.restart(), [first, again, second])).values()) == {""}
    assert await texts(desk) == ["one", "two"]


async def test_both_sides_go_on_in_the_same_session(desk: Desk, handset: Handset) -> None:
    """The edge answers in the session that the person began, and the ratchet turns."""
    for turn in range(3):
        await receive(desk, [handset.write(desk.business_id, f"question {turn}")])
        answer = await desk.seal(b"answer", handset)
        assert handset.open(desk.business_id, answer) == b"answer"
        assert await desk.unconfirmed(handset) == 1
    assert len(await desk.store.opening_sessions([(desk.business_id, handset.end_id)])) == 1
    assert desk.identity.troubles.calls["ClaimKeyBundles"] == 0


async def test_what_comes_out_of_order_opens(desk: Desk, handset: Handset) -> None:
    written = [handset.write(desk.business_id, f"{number}") for number in range(30)]
    assert set((await receive(desk, written[::-1])).values()) == {""}
    assert sorted(await texts(desk), key=int) == [f"{number}" for number in range(30)]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_crash_around_storing_loses_nothing(
    desk: Desk, handset: Handset, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    written = [handset.write(desk.business_id, "one"), handset.write(desk.business_id, "two")]
    save = Store.receive

    async def crash(store: Store, *args: object, **given: object) -> None:
        if moment == "after":
            await save(store, *args, **given)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as crashing:
        crashing.setattr(Store, "receive", crash)
        with pytest.raises(KeyboardInterrupt):
            await receive(desk, written)
    assert set((await receive(desk.restart(), written)).values()) == {""}
    assert await texts(desk) == ["one", "two"]


async def test_two_replicas_that_get_the_same_envelopes_tell_them_once(
    desk: Desk, handset: Handset
) -> None:
    """Neither refuses what the other was faster with."""
    for turn in range(5):
        written = [handset.write(desk.business_id, f"{turn}/{number}") for number in range(3)]
        outcomes = await asyncio.gather(
            *(receive(desk.restart(replica=name), written) for name in "012")
        )
        assert all(set(acks.values()) == {""} for acks in outcomes)
    assert len(await texts(desk)) == 15


async def test_what_another_replica_opened_a_moment_before_is_not_refused(
    desk: Desk, handset: Handset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This one looked before the other had stored it, and read the session after."""
    written = [handset.write(desk.business_id, "one")]
    await receive(desk, written)
    late = desk.restart(replica="1")
    known_events = late.store.known_events
    looks = 0

    async def look(keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        nonlocal looks
        looks += 1
        return set() if looks == 1 else await known_events(keys)

    monkeypatch.setattr(late.store, "known_events", look)
    assert await receive(late, written) == {written[0].envelope_id: ""}
    assert looks == 2


async def test_a_one_time_key_that_began_a_session_is_gone(desk: Desk, handset: Handset) -> None:
    written = handset.write(desk.business_id, "one")
    before = await desk.accounts.load(desk.business_id)
    await receive(desk, [written])
    after = await desk.accounts.load(desk.business_id)
    assert before is not None
    assert after is not None
    sender_key = handset.end_keys.curve25519_key
    before[0].accept_session(sender_key, written.ciphertext)
    with pytest.raises(SessionError):
        after[0].accept_session(sender_key, written.ciphertext)


async def test_a_conflict_is_tried_again_from_what_is_stored(
    desk: Desk, handset: Handset, monkeypatch: pytest.MonkeyPatch
) -> None:
    await receive(desk, [handset.write(desk.business_id, "one")])
    await desk.seal(b"this process has the session in memory", handset)
    save = Store.receive
    conflicts = 0

    async def meet(store: Store, *args: object, **given: object) -> None:
        nonlocal conflicts
        if conflicts == 0:
            await desk.seal(b"moves the session on", handset)
        try:
            await save(store, *args, **given)  # type: ignore[arg-type]
        except VersionConflict:
            conflicts += 1
            raise

    monkeypatch.setattr(Store, "receive", meet)
    assert set((await receive(desk, [handset.write(desk.business_id, "two")])).values()) == {""}
    assert conflicts == 1
    assert await texts(desk) == ["one", "two"]


# --- What is refused ------------------------------------------------------------------------------


def forged(desk: Desk, handset: Handset, new_handset: NewHandset, what: str) -> Incoming:
    """An envelope that is not what messaging says of it."""
    true = handset.write(desk.business_id, "text")
    other = new_handset()
    match what:
        case "damaged":
            return replace(true, ciphertext=true.ciphertext[:-1] + bytes([true.ciphertext[-1] ^ 1]))
        case "no message at all":
            return replace(true, ciphertext=b"\xff" * 40)
        case "of no session":
            return replace(true, olm_type=1)
        case "of another message":
            return replace(true, message_id=str(uuid4()))
        case "from another device":
            return replace(
                true,
                sender_end_id=other.end_id,
                contact_id=other.contact_id(desk.business_id),
            )
        case "from another person":
            return replace(true, contact_id=other.contact_id(desk.business_id))
        case "from a device that is gone":
            del handset.person.devices[handset.end_id]
            return true
        case "for a business that is not here":
            return replace(true, business_id=str(uuid4()))
        case "not an envelope of the contract":
            return handset.seal(desk.business_id, b"hello", message_id=str(uuid4()))
        case "for another business inside":
            plaintext = envelopes.pack(
                b"\x0a\x03\x0a\x01a",
                bytes(32),
                message_id=true.message_id,
                business_id=str(uuid4()),
                seal_time_milliseconds=1,
            )
            return handset.seal(desk.business_id, plaintext, message_id=true.message_id)
        case "no content":
            return handset.send(desk.business_id, b"\xff\xff\xff")
    raise AssertionError(what)


REASONS = {
    "damaged": "UNDECRYPTABLE",
    "no message at all": "UNDECRYPTABLE",
    "of no session": "UNDECRYPTABLE",
    "of another message": "WRONG_MESSAGE",
    "from another device": "UNDECRYPTABLE",
    "from another person": "UNKNOWN_SENDER",
    "from a device that is gone": "UNKNOWN_SENDER",
    "for a business that is not here": "WRONG_BUSINESS",
    "not an envelope of the contract": "MALFORMED",
    "for another business inside": "WRONG_BUSINESS",
    "no content": "MALFORMED",
}


@pytest.mark.parametrize("what", REASONS)
async def test_what_is_not_what_it_should_be_is_refused_and_stops_nobody(
    desk: Desk, handset: Handset, new_handset: NewHandset, what: str
) -> None:
    honest = new_handset()
    bad = forged(desk, handset, new_handset, what)
    good = honest.write(desk.business_id, "an honest text")
    assert await receive(desk, [bad, good]) == {
        bad.envelope_id: REASONS[what],
        good.envelope_id: "",
    }
    assert await texts(desk) == ["an honest text"]


async def test_another_persons_name_on_a_known_session_is_refused(
    desk: Desk, handset: Handset, new_handset: NewHandset
) -> None:
    await receive(desk, [handset.write(desk.business_id, "one")])
    other = new_handset().contact_id(desk.business_id)
    await desk.seal(b"answered", handset)
    lied = replace(handset.write(desk.business_id, "two"), contact_id=other)
    assert (await receive(desk, [lied]))[lied.envelope_id] != ""
    assert await texts(desk) == ["one"]


async def test_a_device_that_registered_a_moment_ago_is_found(
    desk: Desk, handset: Handset, new_handset: NewHandset
) -> None:
    receiving = receiver(desk)
    first = handset.write(desk.business_id, "one")
    await receiving(Mailbox([first]))
    tablet = new_handset(person=handset.person)
    mailbox = Mailbox([tablet.write(desk.business_id, "two")])
    await receiving(mailbox)
    assert set(mailbox.acks.values()) == {""}


async def test_while_identity_is_away_nothing_of_an_unknown_device_is_acked(
    desk: Desk, handset: Handset, new_handset: NewHandset
) -> None:
    await receive(desk, [handset.write(desk.business_id, "known")])
    desk.identity.troubles.refusals["ListContactDevices"] = away()
    await receive(desk, [handset.write(desk.business_id, "known again")])
    written = new_handset().write(desk.business_id, "unknown")
    mailbox = Mailbox([written])
    with pytest.raises(Refusal):
        await receiver(desk)(mailbox)
    assert mailbox.acks == {}
    desk.identity.troubles.refusals.clear()
    await receive(desk, [written])
    assert await texts(desk) == ["known", "known again", "unknown"]


async def test_a_fault_with_one_envelope_holds_up_no_other(
    desk: Desk, handset: Handset, new_handset: NewHandset, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = (one.write(desk.business_id, "text") for one in (handset, new_handset()))
    open_one = Opening.open

    def fault(opening: Opening, envelope: Incoming) -> bytes:
        if envelope is bad:
            raise RuntimeError("nobody foresaw this")
        return open_one(opening, envelope)

    with monkeypatch.context() as faulty:
        faulty.setattr(Opening, "open", fault)
        assert await receive(desk, [bad, good]) == {good.envelope_id: ""}
    assert await receive(desk, [bad]) == {bad.envelope_id: ""}


async def test_keys_that_began_sessions_are_replaced_in_time(
    desk: Desk, new_handset: NewHandset
) -> None:
    edge = desk.identity.edges[desk.business_id]
    frame = [new_handset().write(desk.business_id, "hello") for _ in range(35)]
    assert len(edge.one_time_keys) == 15
    assert set((await receive(desk, frame)).values()) == {""}
    assert len(edge.one_time_keys) == 65
    # Those who claimed a key before the others began their sessions still reach the business.
    assert len(await texts(desk)) == 35
