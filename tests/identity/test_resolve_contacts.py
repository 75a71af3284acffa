"""ResolveContacts: each number by itself, in the order asked for."""

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


async def test_each_number_has_its_own_outcome(
    house: House, business: RegisteredBusiness, device: RegisteredDevice
) -> None:
    second = await register_device(house)
    nobody = house.numbers.take()
    arabic = device.phone_number.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    asked = [device.phone_number, nobody, "0944123456", second.phone_number, f" {arabic} "]
    for stub in (business.calls, await house.service("edge")):
        outcomes = (
            await stub.ResolveContacts(
                pb.ResolveContactsRequest(business_id=business.business_id, phone_numbers=asked)
            )
        ).outcomes
        kinds = [outcome.WhichOneof("outcome") for outcome in outcomes]
        assert kinds == ["contact_id", "refusal", "refusal", "contact_id", "contact_id"]
        assert outcomes[0].contact_id == outcomes[4].contact_id != outcomes[3].contact_id
        assert [outcomes[n].refusal.reason for n in (1, 2)] == [
            "UNKNOWN_PERSON",
            "INVALID_PHONE_NUMBER",
        ]
        assert outcomes[1].refusal.domain == "identity.hudhud"
        assert not any(number.strip() in str(outcomes) for number in asked)


async def test_ids_of_two_businesses_cannot_be_linked(
    house: House, business: RegisteredBusiness, device: RegisteredDevice
) -> None:
    other = await register_business(house, "Other")
    mine = await contact_of(business, device.phone_number)
    theirs = await contact_of(other, device.phone_number)
    assert mine != theirs
    listed = await other.calls.ListContactDevices(
        pb.ListContactDevicesRequest(business_id=other.business_id, contact_ids=[mine, theirs])
    )
    assert [len(contact.devices) for contact in listed.contacts] == [0, 1]


async def test_whose_last_device_is_gone_is_unknown_until_they_come_back(
    house: House, business: RegisteredBusiness, device: RegisteredDevice
) -> None:
    before = await contact_of(business, device.phone_number)
    await device.calls.RevokeDevice(pb.RevokeDeviceRequest(device_id=device.device_id))
    assert await contact_of(business, device.phone_number) == ""
    await register_device(house, device.phone_number)
    assert await contact_of(business, device.phone_number) == before


async def test_a_business_resolves_for_itself_only(
    house: House, business: RegisteredBusiness
) -> None:
    other = await register_business(house, "Other")
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await other.calls.ResolveContacts(
            pb.ResolveContactsRequest(
                business_id=business.business_id, phone_numbers=["+963944123456"]
            )
        )


async def test_a_thousand_numbers_are_one_statement(
    house: House, business: RegisteredBusiness, device: RegisteredDevice
) -> None:
    numbers = [f"+96393{number:07}" for number in range(999)] + [device.phone_number]
    response = await business.calls.ResolveContacts(
        pb.ResolveContactsRequest(business_id=business.business_id, phone_numbers=numbers)
    )
    assert len(response.outcomes) == 1000
    assert response.outcomes[-1].contact_id
