"""A person with a registered device, and a business that writes to it, in a town of fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from services.ends.device.device import Device
from services.ends.device.registration import register
from tests.ends.device.owner import Owner
from tests.ends.device.pen import Pen
from tests.ends.fakes.identity import CODE
from tests.ends.fakes.town import Town

PHONE_NUMBER = "+963944123456"


async def read_code() -> str:
    """The code that came to the phone."""
    return CODE


@pytest.fixture
async def pen(town: Town) -> Pen:
    """A business whose edge has published its keys."""
    pen = Pen(town)
    await pen.publish()
    return pen


@pytest.fixture
async def folder(town: Town, tmp_path: Path) -> Path:
    """The folder of a registered device."""
    await register(town.platform(), tmp_path / "phone", PHONE_NUMBER, read_code)
    return tmp_path / "phone"


@pytest.fixture
async def switch_on(town: Town, folder: Path) -> AsyncIterator[Callable[[], Awaitable[Owner]]]:
    """Switches the device on, again after a crash or after it was switched off."""
    owners: list[Owner] = []

    async def switch() -> Owner:
        owner = Owner(Device(town.platform(), folder, clock=town.clock), town)
        await owner.device.__aenter__()
        owners.append(owner)
        return owner

    yield switch
    for owner in owners:
        if owner.on:
            await owner.switch_off()


@pytest.fixture
async def owner(switch_on: Callable[[], Awaitable[Owner]]) -> Owner:
    """Somebody with a device that is on."""
    return await switch_on()
