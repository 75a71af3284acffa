"""A database and a role for each service, on a server of ours or of somebody else's."""

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from services.local.databases import Databases
from services.local.errors import LocalError
from tests.fixtures.postgres import PostgresForTests


async def test_a_new_database_is_utf8_and_belongs_to_its_role(postgres: PostgresForTests) -> None:
    connection = await asyncpg.connect(await postgres.create_database())
    try:
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SELECT current_user = current_database()")
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


async def test_a_guest_may_do_what_everybody_may(postgres: PostgresForTests) -> None:
    owner_url, guest_url = await postgres.create_database_with_guest("test")
    owner = await asyncpg.connect(owner_url)
    guest = await asyncpg.connect(guest_url)
    try:
        await owner.execute("CREATE TABLE letters (text text); GRANT INSERT ON letters TO PUBLIC")
        await guest.execute("INSERT INTO letters VALUES ('one')")
        for attack in ("UPDATE letters SET text = 'two'", "CREATE TABLE more ()"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await guest.execute(attack)
    finally:
        await owner.close()
        await guest.close()


async def test_asking_again_changes_nothing(postgres: PostgresForTests, tmp_path: Path) -> None:
    databases = Databases(postgres.admin_url, tmp_path)
    try:
        first = await databases.ensure("hudhud_again")
        connection = await asyncpg.connect(first)
        await connection.execute("CREATE TABLE letters ()")
        assert await databases.ensure("hudhud_again") == first
        assert await connection.fetchval("SELECT count(*) FROM letters") == 0
        await connection.close()
    finally:
        await databases.drop("hudhud_again")


async def test_a_lost_password_is_replaced(postgres: PostgresForTests, tmp_path: Path) -> None:
    databases = Databases(postgres.admin_url, tmp_path)
    try:
        await databases.ensure("hudhud_lost")
        (tmp_path / "hudhud_lost.pgpass").unlink()
        await (await asyncpg.connect(await databases.ensure("hudhud_lost"))).close()
    finally:
        await databases.drop("hudhud_lost")


async def test_an_administrator_need_not_be_a_superuser(
    postgres: PostgresForTests, tmp_path: Path
) -> None:
    admin = await asyncpg.connect(postgres.admin_url)
    await admin.execute("CREATE ROLE caretaker LOGIN CREATEDB CREATEROLE PASSWORD 'p'")
    server = urlsplit(postgres.admin_url)
    address = server.netloc.rpartition("@")[2]
    url = urlunsplit(server._replace(netloc=f"caretaker:p@{address}"))
    databases = Databases(url, tmp_path)
    try:
        one, two = await databases.ensure("hudhud_one"), await databases.ensure("hudhud_two")
        await (await asyncpg.connect(one)).close()
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(two, database="hudhud_one")
        await (await asyncpg.connect(await databases.ensure_guest("hudhud_one"))).close()
    finally:
        await databases.drop("hudhud_one")
        await databases.drop("hudhud_two")
        await admin.execute("DROP ROLE caretaker")
        await admin.close()


async def test_a_server_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    databases = Databases("postgresql://admin@127.0.0.1:1/postgres", tmp_path)
    with pytest.raises(LocalError, match=r"127\.0\.0\.1 cannot be reached.*HUDHUD_DATABASE_URL"):
        await databases.ensure("hudhud_nowhere")
