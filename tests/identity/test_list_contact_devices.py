"""ListContactDevices: whom a message has to be sealed for."""

import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.kit.errors import Refusal
from tests.identity.house import House
from tests.identity.parties import (
    RegisteredBusiness,
    RegisteredDevice,
    contact_of,
    register_business,
    register_device,
)


async def test_each_contact_has_its_devices_in_the_order_asked_for(
    house: House, business: RegisteredBusiness, device: RegisteredDevice
) -> None:
    house.clock.advance(1)
    second = await register_device(house, device.phone_number)
    other = await register_device(house)
    known = [await contact_of(business, each.phone_number) for each in (other, device)]
    unknown = "c_" + "a" * 55
    asked = [known[0], unknown, known[1], known[0]]
    request = pb.ListContactDevicesRequest(business_id=business.business_id, contact_ids=asked)
    listed = await business.calls.ListContactDevices(request)
    assert [contact.contact_id for contact in listed.contacts] == asked
    assert [[end.end_id for end in contact.devices] for contact in listed.contacts] == [
        [other.device_id],
        [],
        [device.device_id, second.device_id],
        [other.device_id],
    ]
    keys = listed.contacts[2].devices[0]
    assert keys.curve25519_key == device.account.curve25519_key
    assert keys.ed25519_key == device.account.ed25519_key
    assert await (await house.service("edge")).ListContactDevices(request) == listed


async def test_a_business_lists_for_itself_only(house: House, business: RegisteredBusiness) -> None:
    other = await register_business(house, "Other")
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await other.calls.ListContactDevices(
            pb.ListContactDevicesRequest(
                business_id=business.business_id, contact_ids=["c_" + "a" * 55]
            )
        )
