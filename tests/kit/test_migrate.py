"""Schemas move forward, once, whoever else is trying."""

import asyncio
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.kit import migrate as module
from services.kit.database import Database
from services.kit.migrate import MigrationError, migrate, read_migrations
from tests.fixtures.postgres import PostgresForTests

PACKAGE = "a_service_for_tests"


class Files:
    """A package with a `migrations` folder."""

    def __init__(self, root: Path) -> None:
        self.folder = root / PACKAGE / "migrations"
        self.folder.mkdir(parents=True)
        (root / PACKAGE / "__init__.py").touch()

    def write(self, name: str, sql: str) -> None:
        (self.folder / name).write_text(sql)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield Files(tmp_path)
    sys.modules.pop(PACKAGE, None)


@pytest.fixture
async def url(postgres: PostgresForTests) -> str:
    return await postgres.create_database("migrate")


async def open_and_migrate(url: str) -> list[str]:
    database = await Database.open(url, connections_max=2)
    try:
        return await migrate(database, PACKAGE)
    finally:
        await database.close()


async def ask(url: str, question: str) -> object:
    database = await Database.open(url)
    try:
        async with database.connection("ask") as connection:
            return await connection.fetchval(question)
    finally:
        await database.close()


async def test_eight_at_once_apply_each_file_once(url: str, files: Files) -> None:
    files.write("0001_table.sql", "CREATE TABLE t (n int); SELECT pg_sleep(0.1);")
    files.write("0002_row.sql", "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2);")
    applied = await asyncio.gather(*(open_and_migrate(url) for _ in range(8)))
    kit = [str(migration) for migration in read_migrations("services.kit")]
    expected = [*kit, f"{PACKAGE} 0001_table", f"{PACKAGE} 0002_row"]
    assert sorted(applied, key=len) == [[]] * 7 + [expected]
    assert await ask(url, "SELECT count(*) FROM t") == 2
    files.write("0003_more.sql", "INSERT INTO t VALUES (3)")
    assert await open_and_migrate(url) == [f"{PACKAGE} 0003_more"]


async def test_an_edited_file_is_refused_and_an_untouched_one_is_not(
    url: str, files: Files
) -> None:
    files.write("0001_table.sql", "CREATE TABLE t (n int)")
    await open_and_migrate(url)
    assert await open_and_migrate(url) == []
    files.write("0001_table.sql", "CREATE TABLE t (n bigint)")
    with pytest.raises(MigrationError, match="0001_table was applied and has been edited since"):
        await open_and_migrate(url)


async def test_one_that_fails_leaves_nothing_and_those_before_it_stay(
    url: str, files: Files
) -> None:
    files.write("0001_table.sql", "CREATE TABLE t (n int)")
    files.write("0002_bad.sql", "INSERT INTO t VALUES (1); INSERT INTO nowhere VALUES (1)")
    with pytest.raises(MigrationError, match=r"0002_bad failed .*nowhere"):
        await open_and_migrate(url)
    assert await ask(url, "SELECT count(*) FROM t") == 0
    files.write("0002_bad.sql", "INSERT INTO t VALUES (1)")
    assert await open_and_migrate(url) == [f"{PACKAGE} 0002_bad"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0001_a.sql", "0003_c.sql"], "number 0002 is missing"),
        (["0002_b.sql"], "number 0001 is missing"),
        (["0001_a.sql", "0001_b.sql"], "number 0001 is there twice"),
        (["1_a.sql"], "name it like 0001_what_it_adds.sql"),
    ],
)
def test_a_gap_a_double_or_a_bad_name_is_refused(
    files: Files, names: list[str], message: str
) -> None:
    for name in names:
        files.write(name, "SELECT 1")
    with pytest.raises(MigrationError, match=message):
        read_migrations(PACKAGE)


async def test_a_database_that_is_ahead_is_served(
    url: str, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    files.write("0001_table.sql", "CREATE TABLE t (n int)")
    files.write("0002_new.sql", "ALTER TABLE t ADD COLUMN m int")
    await open_and_migrate(url)
    (files.folder / "0002_new.sql").unlink()
    assert await open_and_migrate(url) == []
    assert "the database is ahead" in caplog.text


async def test_a_table_in_use_is_waited_for_without_blocking_its_readers(
    url: str, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write("0001_table.sql", "CREATE TABLE t (n int)")
    await open_and_migrate(url)
    files.write("0002_column.sql", "ALTER TABLE t ADD COLUMN m int")
    monkeypatch.setattr(module, "ATTEMPTS_MAX", 1)
    reader = await Database.open(url)
    async with reader.transaction("long_read") as connection:
        await connection.fetch("SELECT * FROM t")
        with pytest.raises(MigrationError, match="was in use every time"):
            await open_and_migrate(url)
    assert await open_and_migrate(url) == [f"{PACKAGE} 0002_column"]
    await reader.close()
