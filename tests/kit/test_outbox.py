"""Events are written with what they tell about, or not at all."""

from datetime import timedelta

import asyncpg
import pytest

from services.kit.clock import new_id
from services.kit.database import Database
from services.kit.outbox import PAYLOAD_BYTES_MAX, Event, append, delete_old


def event(subject: str = "hudhud.test.happened", payload: bytes = b"what") -> Event:
    return Event(new_id(), subject, payload)


async def count(database: Database, table: str) -> int:
    async with database.connection("count") as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))


async def test_events_share_the_fate_of_their_transaction(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction("fails") as connection:
            await append(connection, [event(), event()])
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await count(database, "outbox") == 0
    async with database.transaction("succeeds") as connection:
        await append(connection, [event(), event()])
        await append(connection, [])
    assert await count(database, "outbox") == await count(database, "outbox_pending") == 2


async def test_rows_hold_what_was_given(database: Database) -> None:
    plain = event()
    traced = Event(new_id(), "hudhud.test.traced", b"\x00", {"traceparent": "00-ab-cd-01"})
    async with database.transaction("append") as connection:
        await append(connection, [plain, traced])
        rows = await connection.fetch(
            "SELECT event_id, subject, payload, trace FROM outbox ORDER BY id"
        )
    assert [Event(**row) for row in rows] == [plain, traced]


async def test_the_same_event_is_told_once(database: Database) -> None:
    first = event()
    async with database.transaction("once") as connection:
        await append(connection, [first])
    with pytest.raises(asyncpg.UniqueViolationError):
        async with database.transaction("twice") as connection:
            await append(connection, [event(), first])
    assert await count(database, "outbox") == 1


@pytest.mark.parametrize("subject", ["", "one", "a..b", "a.*", "a.>", "a b.c", "a.b\r\nPUB x 0"])
async def test_a_subject_that_cannot_be_published_to_is_refused(
    database: Database, subject: str
) -> None:
    with pytest.raises(ValueError, match="not a subject"):
        async with database.transaction("bad") as connection:
            await append(connection, [event(subject)])


async def test_a_payload_that_jetstream_would_refuse_is_refused(database: Database) -> None:
    async with database.transaction("big") as connection:
        await append(connection, [event(payload=bytes(PAYLOAD_BYTES_MAX))])
        with pytest.raises(ValueError, match="bytes"):
            await append(connection, [event(payload=bytes(PAYLOAD_BYTES_MAX + 1))])


async def test_old_events_go_but_never_one_that_still_has_to_be_relayed(
    database: Database,
) -> None:
    async with database.transaction("append") as connection:
        await append(connection, [event() for _ in range(25)])
        await connection.execute("UPDATE outbox SET create_time = now() - interval '8 days'")
        await connection.execute("DELETE FROM outbox_pending WHERE id % 5 != 0")
        await append(connection, [event() for _ in range(3)])
        await connection.execute(
            "INSERT INTO relay_batches (stream, sequence_max, sequence_min, event_id, ids,"
            " relay_time) VALUES ('s', 1, 1, $1, '{1}', now() - interval '8 days'),"
            " ('s', 2, 2, $1, '{2}', now())",
            new_id(),
        )
    assert await delete_old(database, retention=timedelta(days=7), batch_max=4) == 20
    assert await count(database, "outbox") == 5 + 3
    assert await count(database, "relay_batches") == 1
