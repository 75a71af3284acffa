"""The operator's credential: made once, agreed upon by replicas, replaced by its file."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.identity.app import app
from services.identity.credentials import SecretHasher
from services.identity.operator_credential import (
    BadOperatorCredential,
    settle_operator_credential,
)
from services.kit.clock import ManualClock
from services.kit.database import Database
from services.kit.errors import Refusal
from services.kit.migrate import migrate
from services.local.certificates import Authority
from tests.fixtures.postgres import PostgresForTests
from tests.identity.house import identity_settings, running_identity

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def url(postgres: PostgresForTests) -> str:
    return await postgres.create_database("identity")


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = await Database.open(url)
    await migrate(database, "services.identity")
    yield database
    await database.close()


@pytest.fixture
def file(state: Path) -> Path:
    return state / "operator-credential"


def read(file: Path) -> str:
    return file.read_text().strip()


def write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


async def stored_hash(database: Database) -> str:
    async with database.connection("test") as connection:
        text = await connection.fetchval("SELECT credential_hash FROM operator_credential")
    assert isinstance(text, str)
    return text


async def test_the_first_start_writes_it_for_its_owner_alone(
    database: Database, file: Path
) -> None:
    hasher = SecretHasher()
    # Whatever the process's mask allows to others.
    mask = os.umask(0)
    try:
        await settle_operator_credential(database, hasher, file, NOW)
    finally:
        os.umask(mask)
    assert mode(file) == 0o600
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    credential = read(file)
    assert len(credential) >= 43
    first = await stored_hash(database)
    assert first.startswith("$argon2id$")
    assert credential not in first
    await settle_operator_credential(database, hasher, file, NOW)
    assert read(file) == credential
    assert await stored_hash(database) == first


async def test_what_the_file_says_is_the_credential(database: Database, file: Path) -> None:
    hasher = SecretHasher()
    write(file, b"  a credential of our own choice\n")
    await settle_operator_credential(database, hasher, file, NOW)
    assert await hasher.verify(await stored_hash(database), "a credential of our own choice")
    write(file, b"another credential afterwards\n")
    await settle_operator_credential(database, hasher, file, NOW)
    assert not await hasher.verify(await stored_hash(database), "a credential of our own choice")
    assert await hasher.verify(await stored_hash(database), "another credential afterwards")


@pytest.mark.parametrize("content", [b"", b"too short", b"x" * 201, b"\xff" * 40])
async def test_what_cannot_be_one_stops_the_start(
    database: Database, file: Path, content: bytes
) -> None:
    write(file, content)
    with pytest.raises(BadOperatorCredential, match=str(file)):
        await settle_operator_credential(database, SecretHasher(), file, NOW)


async def test_a_replica_elsewhere_makes_no_second_one(database: Database, file: Path) -> None:
    hasher = SecretHasher()
    await settle_operator_credential(database, hasher, file, NOW)
    first = await stored_hash(database)
    elsewhere = file.with_name("elsewhere")
    await settle_operator_credential(database, hasher, elsewhere, NOW)
    assert not elsewhere.exists()
    assert await stored_hash(database) == first


async def test_of_replicas_apart_that_start_together_one_makes_it(
    database: Database, file: Path
) -> None:
    hasher = SecretHasher()
    files = [file.with_name(f"replica-{number}") for number in range(4)]
    await asyncio.gather(
        *(settle_operator_credential(database, hasher, each, NOW) for each in files)
    )
    (made,) = [each for each in files if each.exists()]
    assert await hasher.verify(await stored_hash(database), read(made))


async def test_replicas_that_start_together_agree(
    url: str, authority: Authority, state: Path
) -> None:
    clock = ManualClock()
    settings = identity_settings(url, authority, state)

    async def opened(stack: AsyncExitStack) -> None:
        await stack.enter_async_context(app(settings, clock))

    async with AsyncExitStack() as stack:
        await asyncio.gather(*(opened(stack) for _ in range(4)))
        credential = read(settings.operator_credential_file)
        connection = await asyncpg.connect(url)
        try:
            rows = await connection.fetch("SELECT credential_hash FROM operator_credential")
        finally:
            await connection.close()
        assert len(rows) == 1
        assert await SecretHasher().verify(rows[0]["credential_hash"], credential)

    async with running_identity(url, authority, state, clock) as house:
        anyone = await house.anyone()
        assert await anyone.ExchangeApiKey(pb.ExchangeApiKeyRequest(secret=credential))
        with pytest.raises(Refusal, match="API_KEY_INVALID"):
            await anyone.ExchangeApiKey(pb.ExchangeApiKeyRequest(secret=credential + "x"))
