"""StartRegistration: a code to a phone, limited in rate, seen by nobody else."""

import asyncio
import logging
import stat
from datetime import timedelta

import asyncpg
import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.kit.clock import ManualClock
from services.kit.errors import Refusal
from services.local.certificates import Authority
from tests.fixtures.postgres import PostgresForTests
from tests.fixtures.state import temporary_state
from tests.identity.house import House, running_identity
from tests.identity.parties import start


async def test_a_code_of_six_digits_is_in_the_file_that_only_its_owner_reads(house: House) -> None:
    number = house.numbers.take()
    started = await start(house, number)
    code = house.code_sent_to(number)
    assert len(code) == 6
    assert code.isdecimal()
    assert started.expire_time.ToDatetime(house.clock.now().tzinfo) == (
        house.clock.now() + timedelta(minutes=10)
    )
    assert house.settings.code_file is not None
    assert stat.S_IMODE(house.settings.code_file.stat().st_mode) == 0o600


async def test_the_code_is_stored_as_a_keyed_hash(house: House) -> None:
    number = house.numbers.take()
    started = await start(house, number)
    connection = await asyncpg.connect(house.settings.database_url)
    try:
        row = await connection.fetchrow(
            "SELECT code_hmac FROM registrations WHERE registration_id = $1::text::uuid",
            started.registration_id,
        )
    finally:
        await connection.close()
    assert row is not None
    assert len(row["code_hmac"]) == 32
    assert house.code_sent_to(number).encode() not in row["code_hmac"]


async def test_neither_code_nor_number_reaches_a_log_or_an_error(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    number = house.numbers.take()
    caplog.set_level(logging.DEBUG)
    texts = []
    for _ in range(4):
        try:
            await start(house, number)
        except Refusal as refusal:
            texts.append(f"{refusal} {refusal.metadata} {refusal.quotas}")
    assert len(texts) == 1
    texts += [record.getMessage() + str(vars(record)) for record in caplog.records]
    code = house.code_sent_to(number)
    assert not [text for text in texts if number in text or number[1:] in text or code in text]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("963944987654", "must begin with a plus"),
        ("00963944987654", "must begin with a plus"),
        ("+963944", "too few digits"),
        ("+9639441234567890", "too many digits"),
        ("+963 944 CALL ME", "nothing else, after the plus"),
        ("+999123456789", "no country's code"),
        ("+96394412345", "no range"),
        ("+80012345678", "no country"),
        ("+18005550123", "not of a kind that a person has"),
        ("+", "nothing else, after the plus"),
        ("+963944987654;ext=7", "nothing else, after the plus"),
        ("’; DROP TABLE people; --", "must begin with a plus"),
    ],
)
async def test_a_bad_number_is_refused_with_what_is_wrong_with_it(
    house: House, written: str, problem: str
) -> None:
    with pytest.raises(Refusal) as refused:
        await start(house, written)
    assert refused.value.reason.name == "INVALID_PHONE_NUMBER"
    assert problem in refused.value.message
    assert written not in refused.value.message


async def test_three_codes_in_ten_minutes_whatever_the_spelling(house: House) -> None:
    number = house.numbers.take()
    arabic = number.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    spaced = f"{number[:4]} {number[4:7]}-{number[7:]}"
    for written in (number, arabic, spaced):
        await start(house, written)
        house.clock.advance(60)
    with pytest.raises(Refusal) as refused:
        await start(house, arabic)
    assert refused.value.reason.name == "CODE_RATE_LIMITED"
    assert [quota.subject for quota in refused.value.quotas] == ["phone_number"]
    assert refused.value.retry_after_seconds == 7 * 60

    await start(house, house.numbers.take())
    house.clock.advance(7 * 60 - 1)
    with pytest.raises(Refusal, match="CODE_RATE_LIMITED"):
        await start(house, number)
    house.clock.advance(1)
    await start(house, number)


async def test_ten_codes_in_a_day(house: House) -> None:
    number = house.numbers.take()
    for _ in range(10):
        await start(house, number)
        house.clock.advance(10 * 60)
    with pytest.raises(Refusal) as refused:
        await start(house, number)
    wait = refused.value.retry_after_seconds
    assert wait == 24 * 3600 - 100 * 60
    house.clock.advance(wait)
    await start(house, number)


async def test_the_limit_of_a_number_holds_when_many_come_at_once(house: House) -> None:
    number = house.numbers.take()
    outcomes = await asyncio.gather(
        *(start(house, number) for _ in range(12)), return_exceptions=True
    )
    started = [each for each in outcomes if isinstance(each, pb.StartRegistrationResponse)]
    assert len(started) == 3
    assert len({each.registration_id for each in started}) == 3


async def test_the_guard_over_all_numbers_and_a_sender_that_fails(
    postgres: PostgresForTests, authority: Authority
) -> None:
    clock = ManualClock()
    url = await postgres.create_database("identity")
    with temporary_state() as folder:
        async with running_identity(
            url, authority, folder, clock, registrations_per_minute_max=3
        ) as house:
            numbers = [house.numbers.take() for _ in range(9)]
            clock.advance(15)
            outcomes = await asyncio.gather(
                *(start(house, number) for number in numbers), return_exceptions=True
            )
            refused = [each for each in outcomes if isinstance(each, Refusal)]
            assert [each.reason.name for each in refused] == ["CODE_RATE_LIMITED"] * 6
            assert {quota.subject for each in refused for quota in each.quotas} == {"platform"}
            assert {each.retry_after_seconds for each in refused} == {45}
            clock.advance(45)
            await start(house, numbers[-1])

            # A folder is in the way of the file.
            assert house.settings.code_file is not None
            house.settings.code_file.unlink()
            house.settings.code_file.mkdir()
            with pytest.raises(Refusal, match="CODE_NOT_SENT") as failed:
                await start(house, house.numbers.take())
            assert failed.value.retry_after_seconds
