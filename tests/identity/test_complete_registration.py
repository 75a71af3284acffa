"""CompleteRegistration: code and keys become a device; five tries, ten minutes, ten devices."""

import asyncio

import asyncpg
import pytest

from hudhud.identity.v1 import device_pb2
from hudhud.identity.v1 import identity_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.identity.house import House
from tests.identity.parties import complete, forged, new_account, register_device, start


async def request_for(
    house: House, number: str, keys: device_pb2.PublishedKeys | None = None
) -> pb.CompleteRegistrationRequest:
    started = await start(house, number)
    return pb.CompleteRegistrationRequest(
        registration_id=started.registration_id,
        code=house.code_sent_to(number),
        device_label="phone",
        keys=keys or new_account(3).unpublished_keys(),
    )


def with_code(request: pb.CompleteRegistrationRequest, code: str) -> pb.CompleteRegistrationRequest:
    copy = pb.CompleteRegistrationRequest()
    copy.CopyFrom(request)
    copy.code = code
    return copy


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_the_same_number_later_is_the_same_person_with_another_device(house: House) -> None:
    number = house.numbers.take()
    first = await complete(house, number, new_account(1).unpublished_keys(), "old phone")
    house.clock.advance(3600)
    second = await complete(house, number, new_account(1).unpublished_keys(), "new phone")
    assert second.person_id == first.person_id
    assert second.device.device_id != first.device.device_id
    assert second.device_credential != first.device_credential
    assert (first.device.label, second.device.label) == ("old phone", "new phone")

    other = await complete(house, house.numbers.take(), new_account(1).unpublished_keys())
    assert other.person_id != first.person_id


async def test_a_wrong_code_costs_one_of_five_tries(house: House) -> None:
    number = house.numbers.take()
    right = await request_for(house, number)
    anyone = await house.anyone()
    for left in (4, 3, 2, 1):
        with pytest.raises(Refusal, match="CODE_WRONG") as refused:
            await anyone.CompleteRegistration(with_code(right, wrong(right.code)))
        assert refused.value.metadata == {"tries_left": str(left)}
    assert await anyone.CompleteRegistration(right)


async def test_after_five_wrong_codes_the_right_one_is_too_late(house: House) -> None:
    number = house.numbers.take()
    right = await request_for(house, number)
    anyone = await house.anyone()
    # All at the same moment, and more than there are tries: no more than five are looked at.
    outcomes = await asyncio.gather(
        *(anyone.CompleteRegistration(with_code(right, wrong(right.code))) for _ in range(12)),
        return_exceptions=True,
    )
    reasons = [each.reason.name for each in outcomes if isinstance(each, Refusal)]
    assert sorted(reasons) == ["CODE_TRIES_EXHAUSTED"] * 7 + ["CODE_WRONG"] * 5
    with pytest.raises(Refusal, match="CODE_TRIES_EXHAUSTED"):
        await anyone.CompleteRegistration(right)


async def test_a_code_is_good_for_ten_minutes(house: House) -> None:
    anyone = await house.anyone()
    in_time = await request_for(house, house.numbers.take())
    too_late = await request_for(house, house.numbers.take())
    house.clock.advance(10 * 60 - 1)
    assert await anyone.CompleteRegistration(in_time)
    house.clock.advance(1)
    with pytest.raises(Refusal, match="CODE_EXPIRED"):
        await anyone.CompleteRegistration(too_late)


async def test_a_code_belongs_to_its_registration(house: House) -> None:
    anyone = await house.anyone()
    mine = await request_for(house, house.numbers.take())
    other = await request_for(house, house.numbers.take())
    if mine.code != other.code:
        with pytest.raises(Refusal, match="CODE_WRONG"):
            await anyone.CompleteRegistration(with_code(mine, other.code))
    with pytest.raises(Refusal, match="REGISTRATION_NOT_FOUND"):
        await anyone.CompleteRegistration(
            pb.CompleteRegistrationRequest(
                registration_id=str(new_id()), code=mine.code, keys=mine.keys
            )
        )
    assert await anyone.CompleteRegistration(mine)


async def test_an_answer_that_was_lost_can_be_had_again(house: House) -> None:
    anyone = await house.anyone()
    request = await request_for(house, house.numbers.take())
    lost = await anyone.CompleteRegistration(request)
    again = await anyone.CompleteRegistration(request)
    assert (again.person_id, again.device) == (lost.person_id, lost.device)
    # Only hashes are stored, so it is another credential; the one that was lost is worth nothing.
    credential = pb.ExchangeDeviceCredentialRequest(
        device_id=again.device.device_id, device_credential=again.device_credential
    )
    assert await anyone.ExchangeDeviceCredential(credential)
    credential.device_credential = lost.device_credential
    with pytest.raises(Refusal, match="DEVICE_CREDENTIAL_INVALID"):
        await anyone.ExchangeDeviceCredential(credential)

    request.keys.CopyFrom(new_account(1).unpublished_keys())
    with pytest.raises(Refusal, match="REGISTRATION_NOT_FOUND"):
        await anyone.CompleteRegistration(request)


async def test_one_registration_at_the_same_moment_makes_one_device(house: House) -> None:
    anyone = await house.anyone()
    request = await request_for(house, house.numbers.take())
    completed = await asyncio.gather(*(anyone.CompleteRegistration(request) for _ in range(5)))
    assert len({each.device.device_id for each in completed}) == 1


@pytest.mark.parametrize("path", ["identity_key", "one_time_keys[0]", "fallback_key"])
async def test_every_key_must_be_signed_by_the_device(house: House, path: str) -> None:
    anyone = await house.anyone()
    good = new_account(2).unpublished_keys()
    request = await request_for(house, house.numbers.take(), forged(good, path))
    with pytest.raises(Refusal, match="KEY_SIGNATURE_INVALID") as refused:
        await anyone.CompleteRegistration(request)
    assert [violation.field for violation in refused.value.violations] == [f"keys.{path}.signature"]
    request.keys.CopyFrom(good)
    assert await anyone.CompleteRegistration(request)


async def test_a_key_signed_for_one_purpose_is_worth_nothing_for_another(house: House) -> None:
    keys = new_account(1).unpublished_keys()
    keys.fallback_key.CopyFrom(keys.one_time_keys[0])
    request = await request_for(house, house.numbers.take(), keys)
    with pytest.raises(Refusal, match="KEY_SIGNATURE_INVALID"):
        await (await house.anyone()).CompleteRegistration(request)


async def test_a_new_device_needs_a_fallback_key(house: House) -> None:
    anyone = await house.anyone()
    keys = new_account(1).unpublished_keys()
    request = await request_for(house, house.numbers.take(), keys)
    request.keys.ClearField("fallback_key")
    with pytest.raises(Refusal, match="INVALID_FIELD") as refused:
        await anyone.CompleteRegistration(request)
    assert [violation.field for violation in refused.value.violations] == ["keys.fallback_key"]
    request.keys.CopyFrom(keys)
    assert await anyone.CompleteRegistration(request)


async def test_a_person_has_ten_devices_at_most(house: House) -> None:
    number = house.numbers.take()
    for _ in range(8):
        await complete(house, number, new_account(0).unpublished_keys())
        house.clock.advance(600)
    last = await register_device(house, number)
    house.clock.advance(24 * 3600)
    # Two at the same moment, and room for one.
    requests = [await request_for(house, number) for _ in range(2)]
    requests[0].code = await code_of(house, number, 2)
    anyone = await house.anyone()
    outcomes = await asyncio.gather(
        *(anyone.CompleteRegistration(request) for request in requests), return_exceptions=True
    )
    refused = [each for each in outcomes if isinstance(each, Refusal)]
    assert [each.reason.name for each in refused] == ["DEVICE_LIMIT"]
    assert len((await last.calls.ListDevices(pb.ListDevicesRequest())).devices) == 10

    await last.calls.RevokeDevice(pb.RevokeDeviceRequest(device_id=last.device_id))
    again = await complete(house, number, new_account(0).unpublished_keys())
    assert again.person_id == last.person_id


async def code_of(house: House, number: str, from_the_end: int) -> str:
    """An older code of the number."""
    assert house.settings.code_file is not None
    lines = [
        line for line in house.settings.code_file.read_text().splitlines() if f'"{number}"' in line
    ]
    return lines[-from_the_end].rpartition('"code": "')[2][:6]


async def test_a_credential_is_stored_as_its_hash(house: House) -> None:
    device = await register_device(house)
    connection = await asyncpg.connect(house.settings.database_url)
    try:
        text = await connection.fetchval(
            "SELECT devices::text FROM devices WHERE device_id = $1::text::uuid", device.device_id
        )
    finally:
        await connection.close()
    assert len(device.credential) >= 43
    assert device.credential.removeprefix("dc_") not in text
