"""Events without gaps under concurrency, versions that guard, and nothing readable at rest."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag

from services.ends.edge.domain import NewEvent
from services.ends.edge.store import (
    NEVER_STORED,
    Store,
    StoredSession,
    Use,
    VersionConflict,
)
from services.ends.edge.vault import Vault
from tests.ends.edge.desk import Desk
from tests.ends.handset import NOW, Handset

MARKED_TEXT = "meet me at the waterwheel"


def event(business_id: str, key: str, text: str = "text") -> NewEvent:
    return NewEvent(business_id, key, text.encode())


def session(business_id: str, **changes: object) -> StoredSession:
    given = {"end_id": str(uuid4()), "session_id": "s", "contact_id": "c", "pickle": "p"}
    return StoredSession(business_id=business_id, **(given | changes))  # type: ignore[arg-type]


async def cursors(store: Store, business_id: str) -> list[int]:
    return [one.cursor for one in await store.list_events(business_id, 0, 10_000)]


# --- Events ---------------------------------------------------------------------------------------


async def test_cursors_have_no_gaps_whoever_adds_at_the_same_moment(desk: Desk) -> None:
    """And nobody who has seen a cursor ever finds a smaller one later."""
    shared, mine = desk.business_id, str(uuid4())
    seen: list[list[int]] = []
    done = asyncio.Event()

    async def add(writer: int) -> None:
        for number in range(10):
            events = [event(shared, f"{writer}/{number}/{part}") for part in range(3)]
            await desk.store.add_events([*events, event(mine, f"{writer}/{number}")], NOW)

    async def read() -> None:
        while not done.is_set():
            seen.append(await cursors(desk.store, shared))

    reading = asyncio.ensure_future(read())
    await asyncio.gather(*(add(writer) for writer in range(6)))
    done.set()
    await reading
    assert await cursors(desk.store, shared) == list(range(1, 181))
    assert await cursors(desk.store, mine) == list(range(1, 61))
    assert all(found == list(range(1, len(found) + 1)) for found in seen)


async def test_the_same_event_again_is_one_event_and_leaves_no_gap(desk: Desk) -> None:
    first, second = event(desk.business_id, "a"), event(desk.business_id, "b")
    await asyncio.gather(*(desk.store.add_events([first], NOW) for _ in range(4)))
    await desk.store.add_events([first, second, second, first], NOW)
    assert await cursors(desk.store, desk.business_id) == [1, 2]
    other = str(uuid4())
    await desk.store.add_events([event(other, "a")], NOW)
    assert await cursors(desk.store, other) == [1]
    assert await desk.store.known_events([(other, "a"), (other, "b"), (desk.business_id, "b")]) == {
        (other, "a"),
        (desk.business_id, "b"),
    }


async def test_events_are_read_from_a_cursor_on_and_old_ones_go(desk: Desk) -> None:
    for number in range(5):
        when = NOW - timedelta(days=number)
        await desk.store.add_events([event(desk.business_id, str(number), f"{number}")], when)
    found = await desk.store.list_events(desk.business_id, 2, 2)
    assert [(one.cursor, one.payload) for one in found] == [(3, b"2"), (4, b"3")]
    await desk.store.delete_older(NOW - timedelta(days=2))
    assert await cursors(desk.store, desk.business_id) == [1, 2, 3]
    await desk.store.add_events([event(desk.business_id, "next")], NOW)
    assert (await cursors(desk.store, desk.business_id))[-1] == 6


# --- Versions -------------------------------------------------------------------------------------


async def test_a_session_is_stored_only_over_the_version_that_was_read(desk: Desk) -> None:
    new = session(desk.business_id)
    assert await desk.store.save_sealed([Use(new, "first", 3)], NOW) == {new.key: 3}
    [read] = await desk.store.sealing_sessions([new.key[:2]])
    assert (read.pickle, read.version, read.unconfirmed_count) == ("first", 0, 3)
    outcomes = await asyncio.gather(
        *(desk.store.save_sealed([Use(read, f"by {one}", 1)], NOW) for one in range(5))
    )
    assert sorted(outcomes, key=len) == [{}, {}, {}, {}, {new.key: 4}]
    [read_again] = await desk.store.sealing_sessions([new.key[:2]])
    assert (read_again.version, read_again.unconfirmed_count) == (1, 4)


async def test_of_a_batch_only_what_changed_meanwhile_is_not_stored(desk: Desk) -> None:
    sessions = [session(desk.business_id) for _ in range(3)]
    await desk.store.save_sealed([Use(one, "first") for one in sessions], NOW)
    read = await desk.store.sealing_sessions([one.key[:2] for one in sessions])
    await desk.store.save_sealed([Use(read[1], "meanwhile")], NOW)
    stored = await desk.store.save_sealed([Use(one, "second") for one in read], NOW)
    assert stored.keys() == {read[0].key, read[2].key}


async def test_nothing_is_received_where_one_version_has_moved_on(desk: Desk) -> None:
    kept, moved = session(desk.business_id), session(desk.business_id)
    await desk.store.save_sealed([Use(kept, "a"), Use(moved, "a")], NOW)
    read = await desk.store.opening_sessions([kept.key[:2], moved.key[:2]])
    [stale] = [one for one in read if one.key == moved.key]
    await desk.store.save_sealed([Use(stale, "b")], NOW)
    with pytest.raises(VersionConflict):
        await desk.store.receive(
            [event(desk.business_id, "never")],
            NOW,
            uses=[Use(one, "c") for one in read],
            used_accounts={},
        )
    [unchanged] = await desk.store.opening_sessions([kept.key[:2]])
    assert (unchanged.pickle, unchanged.version) == ("a", 0)
    assert await cursors(desk.store, desk.business_id) == []


async def test_nothing_is_received_where_the_account_has_moved_on(desk: Desk) -> None:
    loaded = await desk.accounts.load(desk.business_id)
    assert loaded is not None
    _, version = loaded
    await desk.store.save_account(desk.business_id, "pickle", version, publish_time=None)
    new = session(desk.business_id)
    with pytest.raises(VersionConflict):
        await desk.store.receive(
            [event(desk.business_id, "never")],
            NOW,
            uses=[Use(new, "a")],
            used_accounts={desk.business_id: ("other", version)},
        )
    assert await desk.store.opening_sessions([new.key[:2]]) == []
    assert await cursors(desk.store, desk.business_id) == []


async def test_a_new_session_takes_the_place_of_this_replicas_old_one(desk: Desk) -> None:
    end_id = str(uuid4())
    other = desk.restart(replica="1").store
    first, second, others = (
        session(desk.business_id, end_id=end_id, session_id=name) for name in ("a", "b", "c")
    )
    await desk.store.save_sealed([Use(first, "a")], NOW)
    await other.save_sealed([Use(others, "c")], NOW)
    await desk.store.save_sealed([Use(second, "b")], NOW)
    end = (desk.business_id, end_id)
    assert [one.session_id for one in await desk.store.sealing_sessions([end])] == ["b"]
    assert [one.session_id for one in await other.sealing_sessions([end])] == ["c"]
    opening = await desk.store.opening_sessions([end])
    assert {one.session_id for one in opening} == {"a", "b", "c"}
    # What was retired still opens, but never seals again.
    [retired] = [one for one in opening if one.session_id == "a"]
    assert await desk.store.save_sealed([Use(retired, "x")], NOW) == {}
    await desk.store.receive([], NOW, uses=[Use(retired, "y")], used_accounts={})
    await desk.store.delete_older(NOW + timedelta(seconds=1))
    assert {one.session_id for one in await desk.store.opening_sessions([end])} == {"b", "c"}


def test_a_session_that_was_just_begun_was_never_stored() -> None:
    assert session("b").version == NEVER_STORED


# --- At rest --------------------------------------------------------------------------------------


async def test_nothing_readable_or_secret_is_in_any_column(desk: Desk, handset: Handset) -> None:
    await desk.store.add_events([event(desk.business_id, "key", MARKED_TEXT)], NOW)
    await desk.seal(MARKED_TEXT.encode(), handset)
    loaded = await desk.accounts.load(desk.business_id)
    assert loaded is not None
    plain_account = loaded[0].pickle(bytes(32))
    async with desk.database.connection("look") as connection:
        tables = await connection.fetch(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
        columns = [
            str(value)
            for table in tables
            for row in await connection.fetch(f"SELECT * FROM {table['table_name']}")
            for value in row.values()
        ]
    stored = "\n".join(columns)
    assert desk.business_id in stored
    assert MARKED_TEXT not in stored
    assert MARKED_TEXT.encode().hex() not in stored
    assert plain_account not in stored


async def test_an_event_opens_only_with_the_key_and_in_its_place(desk: Desk) -> None:
    await desk.store.add_events([event(desk.business_id, "key", MARKED_TEXT)], NOW)
    [found] = await desk.store.list_events(desk.business_id, 0, 10)
    assert found.payload == MARKED_TEXT.encode()
    stranger = Store(desk.database, Vault(secrets.token_bytes(32)), "0")
    with pytest.raises(InvalidTag):
        await stranger.list_events(desk.business_id, 0, 10)
    async with desk.database.connection("meddle") as connection:
        await connection.execute(
            "UPDATE events SET event_key = 'other' WHERE business_id = $1", desk.business_id
        )
    with pytest.raises(InvalidTag):
        await desk.store.list_events(desk.business_id, 0, 10)


def test_a_storage_key_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(bytes(31))
