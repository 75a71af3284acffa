"""Housekeeping: what is no longer needed is forgotten, and nothing before its time."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.identity.housekeeping import CLAIMED_KEYS_KEPT, PAUSE_SECONDS, keep_house, sweep
from services.kit.clock import ManualClock
from services.kit.database import Database
from services.local.certificates import Authority
from tests.fixtures.postgres import PostgresForTests
from tests.fixtures.state import temporary_state
from tests.identity.house import House, running_identity
from tests.identity.parties import register_business, register_device

TABLES = ("registrations", "registration_minutes", "key_claims")


@pytest.fixture
async def own_house(postgres: PostgresForTests, authority: Authority) -> AsyncIterator[House]:
    url = await postgres.create_database("identity")
    with temporary_state() as folder:
        async with running_identity(url, authority, folder, ManualClock()) as house:
            yield house


async def count(house: House, table: str) -> int:
    connection = await asyncpg.connect(house.settings.database_url)
    try:
        rows = await connection.fetchval(f"SELECT count(*) FROM {table}")
    finally:
        await connection.close()
    assert isinstance(rows, int)
    return rows


async def test_a_days_registrations_and_counts_are_kept_and_then_forgotten(
    own_house: House,
) -> None:
    house = own_house
    business = await register_business(house)
    device = await register_device(house, one_time_keys=2)
    await business.calls.ClaimKeyBundles(
        pb.ClaimKeyBundlesRequest(business_id=business.business_id, end_ids=[device.device_id])
    )
    database = await Database.open(house.settings.database_url)
    try:
        house.clock.advance(24 * 3600)
        assert await sweep(database, house.clock) == 0
        house.clock.advance(1)
        assert [await count(house, table) for table in TABLES] == [1, 1, 1]
        assert await sweep(database, house.clock) == 3
        assert [await count(house, table) for table in TABLES] == [0, 0, 0]

        assert await count(house, "one_time_keys") == 2
        house.clock.advance(CLAIMED_KEYS_KEPT.total_seconds())
        assert await sweep(database, house.clock) == 1
        assert await count(house, "one_time_keys") == 1
    finally:
        await database.close()


async def test_it_goes_on_for_as_long_as_the_process_lives(own_house: House) -> None:
    house = own_house
    await register_device(house)
    database = await Database.open(house.settings.database_url)
    work = asyncio.create_task(keep_house(database, house.clock))
    try:
        await house.clock.wait_for_sleepers()
        house.clock.advance(24 * 3600 + PAUSE_SECONDS)
        await house.clock.wait_for_sleepers()
        assert await count(house, "registrations") == 0
    finally:
        work.cancel()
        await database.close()
