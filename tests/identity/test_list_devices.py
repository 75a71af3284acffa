"""ListDevices: those of the caller's person, oldest first."""

from hudhud.identity.v1 import identity_service_pb2 as pb
from tests.identity.house import House
from tests.identity.parties import RegisteredDevice, register_device


async def test_a_person_sees_their_own_devices(house: House, device: RegisteredDevice) -> None:
    house.clock.advance(60)
    second = await register_device(house, device.phone_number, label="tablet")
    await register_device(house)
    listed = await device.calls.ListDevices(pb.ListDevicesRequest())
    assert [(each.device_id, each.label) for each in listed.devices] == [
        (device.device_id, "phone"),
        (second.device_id, "tablet"),
    ]
    assert await second.calls.ListDevices(pb.ListDevicesRequest()) == listed


async def test_a_revoked_device_is_not_listed(house: House, device: RegisteredDevice) -> None:
    second = await register_device(house, device.phone_number)
    await device.calls.RevokeDevice(pb.RevokeDeviceRequest(device_id=second.device_id))
    listed = await device.calls.ListDevices(pb.ListDevicesRequest())
    assert [each.device_id for each in listed.devices] == [device.device_id]
