"""RevokeDevice: no token and no new session any more."""

import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.identity.house import House
from tests.identity.parties import (
    RegisteredBusiness,
    RegisteredDevice,
    contact_of,
    register_device,
)


async def test_a_revoked_device_gets_no_token_and_no_session(
    house: House, business: RegisteredBusiness, device: RegisteredDevice
) -> None:
    second = await register_device(house, device.phone_number)
    contact_id = await contact_of(business, device.phone_number)
    revoke = pb.RevokeDeviceRequest(device_id=second.device_id)
    revoked = await device.calls.RevokeDevice(revoke)
    assert revoked.device.HasField("revoke_time")
    house.clock.advance(5)
    assert await device.calls.RevokeDevice(revoke) == revoked

    with pytest.raises(Refusal, match="DEVICE_CREDENTIAL_INVALID"):
        await (await house.anyone()).ExchangeDeviceCredential(
            pb.ExchangeDeviceCredentialRequest(
                device_id=second.device_id, device_credential=second.credential
            )
        )
    devices = await business.calls.ListContactDevices(
        pb.ListContactDevicesRequest(business_id=business.business_id, contact_ids=[contact_id])
    )
    assert [each.end_id for each in devices.contacts[0].devices] == [device.device_id]
    claimed = await business.calls.ClaimKeyBundles(
        pb.ClaimKeyBundlesRequest(
            business_id=business.business_id, end_ids=[device.device_id, second.device_id]
        )
    )
    assert [each.end.end_id for each in claimed.bundles] == [device.device_id]


async def test_a_token_of_a_revoked_device_publishes_no_keys(
    house: House, device: RegisteredDevice
) -> None:
    second = await register_device(house, device.phone_number)
    publish = pb.PublishDeviceKeysRequest(
        fallback_key=second.account.unpublished_keys().fallback_key
    )
    assert await second.calls.PublishDeviceKeys(publish)
    await device.calls.RevokeDevice(pb.RevokeDeviceRequest(device_id=second.device_id))
    with pytest.raises(Refusal, match="DEVICE_NOT_FOUND"):
        await second.calls.PublishDeviceKeys(publish)


async def test_only_a_device_of_ones_own_is_revoked(house: House, device: RegisteredDevice) -> None:
    stranger = await register_device(house)
    for device_id in (stranger.device_id, str(new_id())):
        with pytest.raises(Refusal, match="DEVICE_NOT_FOUND"):
            await device.calls.RevokeDevice(pb.RevokeDeviceRequest(device_id=device_id))
    assert len((await stranger.calls.ListDevices(pb.ListDevicesRequest())).devices) == 1
    # The last one may go too; the number registers anew.
    await device.calls.RevokeDevice(pb.RevokeDeviceRequest(device_id=device.device_id))
    again = await register_device(house, device.phone_number)
    assert again.person_id == device.person_id
