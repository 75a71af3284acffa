"""Registering: once, also where it was cut off, and nothing of it kept where it was refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.ends.device.device import Device
from services.ends.device.registration import ONE_TIME_KEYS, is_registered, register
from services.ends.device.store import FolderInUse, Message, NotRegistered, Store
from services.kit.errors import Refusal
from tests.ends.device.conftest import PHONE_NUMBER, read_code
from tests.ends.fakes.town import Town
from tests.ends.fakes.troubles import away
from tests.ends.handset import NOW

OTHER_NUMBER = "+963955123456"


async def read_no_code() -> str:
    raise AssertionError("nobody should be asked for a code again")


async def read_wrong_code() -> str:
    return "000000"


def devices(town: Town, number: str = PHONE_NUMBER) -> list[str]:
    """The ids of the devices that identity knows of this number."""
    person = town.identity.people.get(number)
    return list(person.devices) if person else []


async def test_a_device_is_registered_with_its_keys(town: Town, tmp_path: Path) -> None:
    platform, folder = town.platform(), tmp_path / "phone"
    assert not await is_registered(platform, folder)
    registration = await register(platform, folder, PHONE_NUMBER, read_code)
    assert devices(town) == [registration.device_id]
    device = town.identity.find_device(registration.device_id)
    assert device is not None
    assert len(device.one_time_keys) == ONE_TIME_KEYS
    assert await is_registered(platform, folder)
    store = Store(folder)
    assert store.registration() == registration
    store.close()
    assert registration.credential.encode() not in (folder / "device.key").read_bytes()
    assert (folder / "device.key").stat().st_mode & 0o077 == 0


async def test_an_answer_that_was_lost_is_had_again_without_a_second_device(
    town: Town, tmp_path: Path
) -> None:
    town.identity.troubles.lost_answers["CompleteRegistration"] = 1
    with pytest.raises(Refusal):
        await register(town.platform(), tmp_path, PHONE_NUMBER, read_code)
    assert not await is_registered(town.platform(), tmp_path)
    registration = await register(town.platform(), tmp_path, PHONE_NUMBER, read_no_code)
    assert devices(town) == [registration.device_id]
    assert town.identity.troubles.calls["StartRegistration"] == 1


async def test_a_crash_before_it_is_kept_makes_no_second_device(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as crashing:
        crashing.setattr(Store, "register", crash)
        with pytest.raises(KeyboardInterrupt):
            await register(town.platform(), tmp_path, PHONE_NUMBER, read_code)
    registration = await register(town.platform(), tmp_path, PHONE_NUMBER, read_no_code)
    assert devices(town) == [registration.device_id]
    async with Device(town.platform(), tmp_path, clock=town.clock) as device:
        assert device.registration == registration


async def test_a_registration_of_another_number_is_begun_anew(town: Town, tmp_path: Path) -> None:
    town.identity.troubles.refusals["CompleteRegistration"] = away()
    with pytest.raises(Refusal):
        await register(town.platform(), tmp_path, PHONE_NUMBER, read_code)
    town.identity.troubles.refusals.clear()
    registration = await register(town.platform(), tmp_path, OTHER_NUMBER, read_code)
    assert devices(town, OTHER_NUMBER) == [registration.device_id]
    assert devices(town) == []


async def test_a_wrong_code_keeps_nothing_and_can_be_tried_again(
    town: Town, tmp_path: Path
) -> None:
    with pytest.raises(Refusal) as refused:
        await register(town.platform(), tmp_path, PHONE_NUMBER, read_wrong_code)
    assert refused.value.reason.name == "CODE_WRONG"
    assert not await is_registered(town.platform(), tmp_path)
    with pytest.raises(NotRegistered):
        Device(town.platform(), tmp_path)
    await register(town.platform(), tmp_path, PHONE_NUMBER, read_code)
    assert len(devices(town)) == 1


async def test_a_device_that_identity_forgot_is_registered_in_its_place(
    town: Town, tmp_path: Path
) -> None:
    first = await register(town.platform(), tmp_path, PHONE_NUMBER, read_code)
    store = Store(tmp_path)
    store.save(messages=[Message("b", "m", True, b"content", NOW)], outgoing=("m", b"item"))
    store.close()
    del town.identity.people[PHONE_NUMBER].devices[first.device_id]
    assert not await is_registered(town.platform(), tmp_path)
    second = await register(town.platform(), tmp_path, PHONE_NUMBER, read_code)
    assert (second.person_id, second.device_id != first.device_id) == (first.person_id, True)
    store = Store(tmp_path)
    # The person's messages stay; what the old keys had sealed is of no use to anybody.
    assert [message.message_id for message in store.messages()] == ["m"]
    assert store.unconfirmed(10) == []
    store.close()
    await register(town.platform(), tmp_path, OTHER_NUMBER, read_code)
    store = Store(tmp_path)
    assert store.messages() == []
    store.close()


async def test_a_folder_is_for_one_at_a_time(town: Town, tmp_path: Path) -> None:
    """Two with the same keys would seal two messages with the same state."""
    await register(town.platform(), tmp_path, PHONE_NUMBER, read_code)
    async with Device(town.platform(), tmp_path, clock=town.clock):
        with pytest.raises(FolderInUse):
            Device(town.platform(), tmp_path)
        with pytest.raises(FolderInUse):
            await is_registered(town.platform(), tmp_path)
    Store(tmp_path).close()
