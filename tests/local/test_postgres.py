"""PostgreSQL for one state folder: its roles, its recovery, its neighbours."""

from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.fixtures.postgres import PostgresForTests


async def test_a_new_database_is_utf8_and_belongs_to_its_role(postgres: PostgresForTests) -> None:
    connection = await asyncpg.connect(await postgres.create_database())
    try:
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SHOW server_version_num") >= "180000"
        await connection.execute("CREATE TABLE letters (text text)")
        await connection.execute("INSERT INTO letters VALUES ('هدهد')")
        assert await connection.fetchval("SELECT length(text) FROM letters") == 4
    finally:
        await connection.close()


async def test_a_role_enters_its_own_database_and_no_other(postgres: PostgresForTests) -> None:
    own, other = await postgres.create_database(), await postgres.create_database()
    await (await asyncpg.connect(own)).close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(own, database=urlsplit(other).path.removeprefix("/"))
