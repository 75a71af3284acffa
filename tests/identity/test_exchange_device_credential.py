"""ExchangeDeviceCredential: a token that says which device, whose and from where."""

import jwt
import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.identity.house import House
from tests.identity.parties import RegisteredDevice, register_device


async def test_the_token_says_person_device_and_country(
    house: House, device: RegisteredDevice
) -> None:
    response = await (await house.anyone()).ExchangeDeviceCredential(
        pb.ExchangeDeviceCredentialRequest(
            device_id=device.device_id, device_credential=device.credential
        )
    )
    claims = jwt.decode(response.access_token.token, options={"verify_signature": False})
    assert claims["kind"] == "device"
    assert claims["sub"] == device.person_id
    assert claims["device_id"] == device.device_id
    assert claims["country"] == "SY"
    assert claims["exp"] - claims["iat"] == 15 * 60


async def test_another_devices_credential_or_none_is_refused(
    house: House, device: RegisteredDevice
) -> None:
    other = await register_device(house)
    anyone = await house.anyone()
    for device_id, credential in (
        (device.device_id, other.credential),
        (device.device_id, device.credential + "x"),
        (device.device_id, "é"),
        (str(new_id()), device.credential),
    ):
        with pytest.raises(Refusal, match="DEVICE_CREDENTIAL_INVALID"):
            await anyone.ExchangeDeviceCredential(
                pb.ExchangeDeviceCredentialRequest(
                    device_id=device_id, device_credential=credential
                )
            )


async def test_an_expired_token_is_refused_and_a_new_one_is_not(
    house: House, device: RegisteredDevice
) -> None:
    response = await (await house.anyone()).ExchangeDeviceCredential(
        pb.ExchangeDeviceCredentialRequest(
            device_id=device.device_id, device_credential=device.credential
        )
    )

    metadata = (("authorization", f"Bearer {response.access_token.token}"),)
    bearer = await house.anyone()
    request = pb.ListDevicesRequest()
    assert await bearer.ListDevices(request, metadata=metadata)
    house.clock.advance(15 * 60)
    with pytest.raises(Refusal, match="TOKEN_EXPIRED"):
        await bearer.ListDevices(request, metadata=metadata)
    assert await device.calls.ListDevices(request)
