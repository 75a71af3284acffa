"""Transactions against a real PostgreSQL."""

import asyncio
import logging
import uuid
from datetime import UTC, datetime

import asyncpg
import pytest

from services.kit.clock import ManualClock, new_id
from services.kit.database import Connection, Database, DatabaseUnavailable
from tests.fixtures.postgres import PostgresForTests


@pytest.fixture
async def counters(database: Database) -> Database:
    async with database.connection("prepare") as connection:
        await connection.execute("CREATE TABLE counters (name text PRIMARY KEY, value int)")
        await connection.execute("INSERT INTO counters VALUES ('a', 0), ('b', 0)")
    return database


async def values(database: Database) -> dict[str, int]:
    async with database.connection("read") as connection:
        rows = await connection.fetch("SELECT name, value FROM counters")
    return {row["name"]: row["value"] for row in rows}


ADD = "UPDATE counters SET value = value + 1 WHERE name = $1"


async def test_left_normally_it_is_committed_and_left_by_an_error_it_is_not(
    counters: Database,
) -> None:
    async with counters.transaction("add") as connection:
        await connection.execute(ADD, "a")

    async def fail() -> None:
        async with counters.transaction("add_more") as connection:
            await connection.execute(ADD, "b")
            raise LookupError

    with pytest.raises(LookupError) as caught:
        await fail()
    assert caught.value.__notes__ == ["in transaction add_more"]
    assert await values(counters) == {"a": 1, "b": 0}


async def test_cancelled_it_rolls_back_and_the_connection_is_as_good_as_new(
    counters: Database,
) -> None:
    inside = asyncio.Event()

    async def work() -> None:
        async with counters.transaction("add") as connection:
            await connection.execute(ADD, "a")
            inside.set()
            await connection.execute("SELECT pg_sleep(30)")

    task = asyncio.ensure_future(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await values(counters) == {"a": 0, "b": 0}


async def test_a_deadlock_is_tried_again(counters: Database) -> None:
    met = asyncio.Barrier(2)
    tries: list[str] = []

    async def both(first: str, second: str) -> None:
        async def function(connection: Connection) -> None:
            tries.append(first)
            await connection.execute(ADD, first)
            if len(tries) <= 2:
                await met.wait()
            await connection.execute(ADD, second)

        await counters.run("add_both", function)

    await asyncio.gather(both("a", "b"), both("b", "a"))
    assert await values(counters) == {"a": 2, "b": 2}
    assert len(tries) == 3


async def test_a_serialization_failure_is_tried_again_and_at_last_given_up(
    counters: Database,
) -> None:
    tries = 0

    async def function(connection: Connection) -> None:
        nonlocal tries
        tries += 1
        value = await connection.fetchval("SELECT value FROM counters WHERE name = 'a'")
        async with counters.transaction("disturb") as other:
            await other.execute(ADD, "a")
        await connection.execute("UPDATE counters SET value = $1 WHERE name = 'a'", value)

    with pytest.raises(asyncpg.SerializationError) as caught:
        await counters.run("overtaken", function, isolation="repeatable_read", attempts_max=3)
    assert tries == 3
    assert "in transaction overtaken" in caught.value.__notes__


async def test_values_come_and_go_as_pythons_own(database: Database) -> None:
    some_id, moment = new_id(), datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    async with database.connection("types") as connection:
        row = await connection.fetchrow(
            "SELECT $1::uuid, $2::timestamptz, $3::jsonb, $4::bytea, $5::jsonb[]",
            some_id,
            moment,
            {"a": [1, None]},
            b"\x00\xff",
            [{"b": 2}, None],
        )
    assert row is not None
    assert list(row) == [some_id, moment, {"a": [1, None]}, b"\x00\xff", [{"b": 2}, None]]
    assert isinstance(row[0], uuid.UUID)
    assert row[1].utcoffset().total_seconds() == 0


async def test_a_statement_that_takes_too_long_is_broken_off(postgres: PostgresForTests) -> None:
    url = await postgres.create_database("slow")
    database = await Database.open(url, name="slow", statement_timeout_seconds=0.05)
    with pytest.raises(asyncpg.QueryCanceledError) as caught:
        async with database.connection("too_long") as connection:
            await connection.execute("SELECT pg_sleep(30)")
    assert "in transaction too_long" in caught.value.__notes__
    await database.close()


async def test_a_slow_transaction_is_logged_by_name(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    database.clock = clock = ManualClock()
    async with database.transaction("quick"):
        pass
    assert caplog.messages == []
    async with database.transaction("count_everything"):
        clock.advance(3)
    assert caplog.messages == [
        "slow transaction count_everything: 3.000 s, of which 0.000 s waiting for a connection"
    ]


async def test_the_service_is_seen_by_name(database: Database) -> None:
    async with database.connection("name") as connection:
        assert await connection.fetchval("SHOW application_name") == "test"
    connection = await database.connect("relay")
    assert await connection.fetchval("SHOW application_name") == "test/relay"
    await connection.close()


async def test_it_waits_for_a_database_that_is_not_there_yet(
    postgres: PostgresForTests, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    url = await postgres.create_database("late")
    admin = await asyncpg.connect(postgres.admin_url)
    name = await admin.fetchval("SELECT datname FROM pg_database ORDER BY oid DESC LIMIT 1")
    await admin.execute(f'ALTER DATABASE "{name}" RENAME TO elsewhere')
    clock = ManualClock()
    opening = asyncio.ensure_future(Database.open(url, clock=clock))
    await clock.wait_for_sleepers()
    assert "waiting for PostgreSQL at" in caplog.text
    assert f'database "{name}" does not exist' in caplog.text
    await admin.execute(f'ALTER DATABASE elsewhere RENAME TO "{name}"')
    clock.advance(1)
    database = await opening
    await database.close()
    await admin.close()


async def test_it_gives_up_with_a_sentence_that_keeps_the_password_secret() -> None:
    clock = ManualClock()
    url = "postgresql://billing:tell-nobody@127.0.0.1:1/hudhud_billing"
    opening = asyncio.ensure_future(Database.open(url, wait_seconds=60, clock=clock))
    await clock.wait_for_sleepers()
    clock.advance(61)
    with pytest.raises(DatabaseUnavailable) as caught:
        await opening
    assert "127.0.0.1:1 (database hudhud_billing) did not answer within 60 s" in str(caught.value)
    assert "tell-nobody" not in str(caught.value)


async def test_a_server_that_ended_our_sessions_is_simply_used_again(
    database: Database, postgres: PostgresForTests
) -> None:
    async with database.connection("before") as connection:
        name = await connection.fetchval("SELECT current_database()")
    admin = await asyncpg.connect(postgres.admin_url)
    await admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", name
    )
    await admin.close()
    async with database.connection("after") as connection:
        assert await connection.fetchval("SELECT 1") == 1
