"""A device's disk: all or nothing, sessions in the order of their use, only so many of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ends.device.store import SESSIONS_KEPT_MAX, Message, Store, StoredSession
from services.ends.sealing.accounts import EndAccount
from tests.ends.fakes.identity import FakeIdentity, Person
from tests.ends.handset import NOW, Handset

BUSINESS_ID = "01931b60-0000-7000-8000-00000000000b"
EDGE_ID = "01931b60-0000-7000-8000-0000000000ed"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    store.close()


def session(name: str) -> StoredSession:
    return StoredSession(BUSINESS_ID, EDGE_ID, name, f"pickle of {name}")


def names(store: Store) -> list[str]:
    return [one.session_id for one in store.sessions(BUSINESS_ID, EDGE_ID)]


def message(message_id: str, *, incoming: bool = True) -> Message:
    return Message(BUSINESS_ID, message_id, incoming, b"content", NOW)


def test_what_is_saved_together_is_kept_together_or_not_at_all(store: Store) -> None:
    store.save(outgoing=("m", b"item"))
    with pytest.raises(sqlite3.IntegrityError):
        store.save(sessions=[session("a")], messages=[message("1")], outgoing=("m", b"other"))
    assert names(store) == []
    assert store.messages() == []
    assert store.unconfirmed(10) == [("m", b"item")]


def test_the_session_used_last_comes_first(store: Store) -> None:
    store.save(sessions=[session("a"), session("b")])
    assert names(store) == ["b", "a"]
    store.save(sessions=[session("a")])
    assert names(store) == ["a", "b"]


def test_only_the_newest_sessions_are_kept(store: Store) -> None:
    for number in range(SESSIONS_KEPT_MAX + 5):
        store.save(sessions=[session(f"{number}")])
    last = SESSIONS_KEPT_MAX + 4
    assert names(store) == [f"{number}" for number in range(last, 4, -1)]


def test_the_key_ring_keeps_the_order_of_use_over_a_restart(
    tmp_path: Path, identity: FakeIdentity
) -> None:
    handset = Handset(tmp_path, identity, Person("+963944000001"))
    device = identity.find_device(handset.end_id)
    assert device is not None
    edge = EndAccount.create()
    first, second = edge.begin_session(device.claim()), edge.begin_session(device.claim())
    for outbound in (first, second, first):
        sealed = outbound.seal(b"text")
        handset.keys.open(BUSINESS_ID, EDGE_ID, edge.curve25519_key, *sealed)
    handset.save()
    handset.crash()
    found = handset.keys.session_with(BUSINESS_ID, EDGE_ID)
    assert found is not None
    assert found.session_id == first.session_id
    handset.store.close()


def test_a_message_that_was_written_does_not_hide_one_that_comes_under_its_id(
    store: Store,
) -> None:
    store.save(messages=[message("1", incoming=False)])
    assert store.known_messages([(BUSINESS_ID, "1")]) == set()
    store.save(messages=[message("1")])
    store.save(messages=[message("1")])
    assert [one.incoming for one in store.messages()] == [False, True]
    assert store.known_messages([(BUSINESS_ID, "1"), ("other", "1")]) == {(BUSINESS_ID, "1")}
    found = store.message("1")
    assert found is not None
    assert found.incoming


def test_another_key_does_not_open_what_is_stored(tmp_path: Path) -> None:
    store = Store(tmp_path)
    account = EndAccount.create().pickle(store.pickle_key)
    store.close()
    (tmp_path / "device.key").write_bytes(bytes(32))
    store = Store(tmp_path)
    with pytest.raises(ValueError):
        EndAccount.from_pickle(account, store.pickle_key)
    store.close()
