"""Sessions: begun once, sealed with in order, never twice from the same state, replaced in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from services.ends.edge.domain import Sealed
from services.ends.edge.session_book import CLAIM_PAUSE_SECONDS, UNCONFIRMED_MAX
from services.ends.edge.store import SessionKey, Store, Use
from services.ends.sealing.sessions import BEGINS, MESSAGE_GAP_MAX, Session, SessionError
from services.kit.errors import Refusal
from tests.ends.edge.desk import Desk
from tests.ends.fakes.identity import unknown_person
from tests.ends.fakes.troubles import away
from tests.ends.handset import Handset

NewHandset = Callable[..., Handset]


def copies(outcome: tuple[Sealed, ...] | Refusal) -> list[Sealed]:
    """The envelopes; a refusal fails the test."""
    assert not isinstance(outcome, Refusal), outcome
    return list(outcome)


async def test_a_session_is_begun_once_and_seals_on_over_restarts(
    desk: Desk, handset: Handset
) -> None:
    for text in (b"one", b"two"):
        assert handset.open(desk.business_id, await desk.seal(text, handset)) == text
    desk = desk.restart()
    assert handset.open(desk.business_id, await desk.seal(b"three", handset)) == b"three"
    assert desk.identity.troubles.calls["ClaimKeyBundles"] == 1


async def test_a_batch_is_sealed_in_its_order_for_every_device(
    desk: Desk, handset: Handset, new_handset: NewHandset
) -> None:
    tablet = new_handset(person=handset.person)
    texts = [b"%d" % number for number in range(5)]
    requests = [desk.request(text, handset, tablet) for text in texts]
    outcomes = [copies(outcome) for outcome in await desk.book.seal(requests)]
    for device in (handset, tablet):
        mine = [one for outcome in outcomes for one in outcome if one.end_id == device.end_id]
        assert [device.open(desk.business_id, one) for one in mine] == texts
        chain = [device.keys.session_with(desk.business_id, mine[0].end_id) for _ in mine]
        assert len(set(chain)) == 1
    assert desk.identity.troubles.calls["ClaimKeyBundles"] == 1


async def test_the_state_is_stored_before_a_ciphertext_is_seen(
    desk: Desk, handset: Handset, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.seal(b"begins", handset)
    stored = await desk.store.sealing_sessions([(desk.business_id, handset.end_id)])

    async def fail(*_: object) -> dict[SessionKey, int]:
        raise OSError("the database went away")

    with monkeypatch.context() as broken:
        broken.setattr(desk.store, "save_sealed", fail)
        with pytest.raises(OSError, match="went away"):
            await desk.seal(b"never leaves", handset)
    assert await desk.store.sealing_sessions([(desk.business_id, handset.end_id)]) == stored
    assert handset.open(desk.business_id, await desk.seal(b"leaves", handset)) == b"leaves"


async def test_what_an_answer_moved_on_is_sealed_again_from_what_is_stored(
    desk: Desk, handset: Handset, new_handset: NewHandset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first ciphertext, from the state before, never leaves; that of others is kept."""
    other = new_handset()
    await desk.book.seal([desk.request(b"begins", one) for one in (handset, other)])
    elsewhere = desk.restart()
    saved: list[list[Use]] = []
    save = Store.save_sealed

    async def watch(store: Store, uses: list[Use], time: object) -> dict[SessionKey, int]:
        if store is desk.store:
            saved.append(list(uses))
            if len(saved) == 1:
                await elsewhere.seal(b"sealed meanwhile", handset)
        return await save(store, uses, time)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "save_sealed", watch)
    requests = [desk.request(b"second", one) for one in (handset, other)]
    outcomes = await desk.book.seal(requests)
    assert [len(uses) for uses in saved] == [2, 1]
    [[for_handset], [for_other]] = [copies(outcome) for outcome in outcomes]
    assert handset.open(desk.business_id, for_handset) == b"second"
    assert other.open(desk.business_id, for_other) == b"second"


async def test_a_session_that_was_retired_elsewhere_is_replaced(
    desk: Desk, handset: Handset
) -> None:
    await desk.seal(b"begins", handset)
    contact = (desk.business_id, handset.contact_id(desk.business_id))
    await desk.store.retire_contacts([contact], desk.clock.now())
    assert handset.open(desk.business_id, await desk.seal(b"anew", handset)) == b"anew"
    assert desk.identity.troubles.calls["ClaimKeyBundles"] == 2


async def test_nothing_of_a_conflict_leaves_where_no_session_can_be_had_then(
    desk: Desk, handset: Handset
) -> None:
    await desk.seal(b"begins", handset)
    contact = (desk.business_id, handset.contact_id(desk.business_id))
    await desk.store.retire_contacts([contact], desk.clock.now())
    desk.identity.troubles.refusals["ClaimKeyBundles"] = away()
    [outcome] = await desk.book.seal([desk.request(b"sealed with what is retired", handset)])
    assert isinstance(outcome, Refusal)


async def test_after_a_dispatch_that_nobody_answered_sessions_are_begun_anew(
    desk: Desk, handset: Handset
) -> None:
    lost = await desk.seal(b"who knows", handset)
    # An answer of the device that came in the meantime makes no difference.
    desk.book.forget([(desk.business_id, handset.end_id)])
    desk.book.retire([desk.request(b"who knows", handset)])
    after = await desk.seal(b"after", handset)
    assert after.olm_type == BEGINS
    # Each opens, whichever comes first.
    assert handset.open(desk.business_id, after) == b"after"
    assert handset.open(desk.business_id, lost) == b"who knows"
    assert handset.open(desk.business_id, await desk.restart().seal(b"on", handset)) == b"on"
    assert desk.identity.troubles.calls["ClaimKeyBundles"] == 2


async def test_retiring_waits_for_the_database_and_is_not_forgotten(
    desk: Desk, handset: Handset, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.seal(b"who knows", handset)
    desk.book.retire([desk.request(b"who knows", handset)])

    async def fail(*_: object) -> None:
        raise OSError("the database went away")

    with monkeypatch.context() as broken:
        broken.setattr(desk.store, "retire_sessions", fail)
        with pytest.raises(OSError, match="went away"):
            await desk.seal(b"fails", handset)
    await desk.seal(b"succeeds", handset)
    assert desk.identity.troubles.calls["ClaimKeyBundles"] == 2


async def test_a_device_that_confirms_nothing_gets_a_new_session_in_time(
    desk: Desk, handset: Handset
) -> None:
    """Before the last message opened is further behind than the ratchet can skip."""
    first = await desk.seal(b"first", handset)
    requests = [desk.request(b"lost", handset)] * (UNCONFIRMED_MAX - 1)
    await desk.book.seal(requests)
    assert desk.identity.troubles.calls["ClaimKeyBundles"] == 1
    # The first is confirmed late: all the others may still be lost, and as many again.
    assert handset.open(desk.business_id, first) == b"first"
    await desk.store.confirm_devices([(desk.business_id, handset.end_id)])
    await desk.book.seal(requests)
    last = await desk.seal(b"last of the session", handset)
    assert desk.identity.troubles.calls["ClaimKeyBundles"] == 1
    assert handset.open(desk.business_id, last) == b"last of the session"
    assert handset.open(desk.business_id, await desk.seal(b"new", handset)) == b"new"
    assert desk.identity.troubles.calls["ClaimKeyBundles"] == 2


async def test_confirming_starts_the_count_anew_for_that_device_only(
    desk: Desk, handset: Handset, new_handset: NewHandset
) -> None:
    tablet = new_handset(person=handset.person)
    for _ in range(3):
        await desk.book.seal([desk.request(b"text", handset, tablet)])
    await desk.store.confirm_devices([(desk.business_id, handset.end_id)])
    assert await desk.unconfirmed(handset) == 0
    assert await desk.unconfirmed(tablet) == 3
    await desk.seal(b"text", handset)
    assert await desk.unconfirmed(handset) == 1


async def test_with_identity_away_only_those_without_a_session_are_refused(
    desk: Desk, handset: Handset, new_handset: NewHandset
) -> None:
    await desk.seal(b"begins", handset)
    stranger = new_handset()
    desk.identity.troubles.refusals["ClaimKeyBundles"] = away()
    requests = [desk.request(b"text", one) for one in (stranger, handset, stranger)]
    outcomes = await desk.book.seal(requests)
    assert [isinstance(outcome, Refusal) for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[0], Refusal)
    assert outcomes[0].reason.name == "KEYS_UNAVAILABLE"
    assert outcomes[0].retry_after_seconds == CLAIM_PAUSE_SECONDS
    # Nobody waits for it a second time, until the pause is over.
    asked = desk.identity.troubles.calls["ClaimKeyBundles"]
    await desk.book.seal(requests)
    assert desk.identity.troubles.calls["ClaimKeyBundles"] == asked
    desk.identity.troubles.refusals.clear()
    desk.clock.advance(CLAIM_PAUSE_SECONDS)
    assert stranger.open(desk.business_id, await desk.seal(b"text", stranger)) == b"text"


async def test_a_refusal_of_identity_says_nothing_about_others(
    desk: Desk, handset: Handset
) -> None:
    desk.identity.troubles.refusals["ClaimKeyBundles"] = unknown_person()
    [outcome] = await desk.book.seal([desk.request(b"text", handset)])
    assert isinstance(outcome, Refusal)
    desk.identity.troubles.refusals.clear()
    await desk.seal(b"text", handset)


@pytest.mark.parametrize("lie", ["another end's keys", "another signer", "an end nobody asked for"])
async def test_a_bundle_that_is_not_the_devices_begins_nothing(
    desk: Desk,
    handset: Handset,
    new_handset: NewHandset,
    lie: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    impostor = new_handset()
    claim = desk.identity.claim_key_bundles

    async def lying(business_id: str, end_ids: list[str]) -> object:
        bundles = await claim(business_id, [impostor.end_id])
        bundle = bundles.pop(impostor.end_id)
        if lie == "another end's keys":
            bundle.end.end_id = handset.end_id
        elif lie == "another signer":
            bundle.end.end_id = handset.end_id
            bundle.end.curve25519_key = handset.end_keys.curve25519_key
            bundle.end.ed25519_key = handset.end_keys.ed25519_key
        return {bundle.end.end_id: bundle}

    monkeypatch.setattr(desk.identity, "claim_key_bundles", lying)
    [outcome] = await desk.book.seal([desk.request(b"text", handset)])
    assert isinstance(outcome, Refusal)
    assert outcome.reason.name == "KEYS_UNAVAILABLE"


async def test_a_device_whose_keys_cannot_be_had_does_not_keep_the_other_waiting(
    desk: Desk, handset: Handset, new_handset: NewHandset
) -> None:
    tablet = new_handset(person=handset.person)
    del tablet.person.devices[tablet.end_id]
    [outcome] = await desk.book.seal([desk.request(b"text", handset, tablet)])
    assert [one.end_id for one in copies(outcome)] == [handset.end_id]


async def test_two_replicas_seal_in_sessions_of_their_own(desk: Desk, handset: Handset) -> None:
    other = desk.restart(replica="1")
    sealed = [
        await one.seal(b"%d" % number, handset) for number in range(3) for one in (desk, other)
    ]
    # All of one's arrive before any of the other's.
    for one in [*sealed[1::2], *sealed[::2]]:
        handset.open(desk.business_id, one)
    assert desk.identity.troubles.calls["ClaimKeyBundles"] == 2
    with pytest.raises(SessionError):
        handset.open(desk.business_id, sealed[0])


async def test_a_session_in_use_is_not_pushed_out_by_its_own_batch(
    desk: Desk, new_handset: NewHandset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ends.edge.session_book.SESSIONS_REMEMBERED_MAX", 2)
    handsets = [new_handset() for _ in range(4)]
    for _ in range(2):
        await desk.book.seal([desk.request(b"text", handset) for handset in handsets])
    assert desk.identity.troubles.calls["ClaimKeyBundles"] == 1


async def test_the_limits_leave_room_for_the_batch_at_hand() -> None:
    assert 2 * (UNCONFIRMED_MAX + 255) < MESSAGE_GAP_MAX


async def test_a_cancelled_batch_leaves_no_state_behind(
    desk: Desk, handset: Handset, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.seal(b"begins", handset)
    storing = asyncio.Event()

    async def hang(*_: object) -> dict[SessionKey, int]:
        storing.set()
        await asyncio.Event().wait()
        return {}

    with monkeypatch.context() as hanging:
        hanging.setattr(desk.store, "save_sealed", hang)
        sealing = asyncio.ensure_future(desk.seal(b"cancelled", handset))
        await storing.wait()
        sealing.cancel()
        await asyncio.gather(sealing, return_exceptions=True)
    stored = await desk.store.sealing_sessions([(desk.business_id, handset.end_id)])
    sealed = await desk.seal(b"next", handset)
    assert handset.open(desk.business_id, sealed) == b"next"
    # Sealed from what was stored: this is message number 2, none was skipped.
    again = Session.from_pickle(stored[0].pickle, desk.vault.pickle_key)
    assert again.seal(b"next") == (sealed.olm_type, sealed.ciphertext)
