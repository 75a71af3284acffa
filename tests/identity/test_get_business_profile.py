"""GetBusinessProfile: whom a business is, and by which id it knows the asking person."""

import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.identity.house import House
from tests.identity.parties import (
    RegisteredBusiness,
    RegisteredDevice,
    contact_of,
    publish_edge,
    register_business,
    register_device,
)


async def test_the_contact_id_is_the_one_that_the_business_resolves(
    house: House, business: RegisteredBusiness, device: RegisteredDevice
) -> None:
    edge_id = await publish_edge(house, business.business_id)
    request = pb.GetBusinessProfileRequest(business_id=business.business_id)
    profile = (await device.calls.GetBusinessProfile(request)).profile
    assert profile.contact_id == await contact_of(business, device.phone_number)
    assert profile.business.display_name == "Hudhud Air"
    assert [edge.end_id for edge in profile.edges] == [edge_id]

    second = await register_device(house, device.phone_number)
    assert (await second.calls.GetBusinessProfile(request)).profile == profile
    stranger = await register_device(house)
    other = (await stranger.calls.GetBusinessProfile(request)).profile
    assert other.contact_id != profile.contact_id
    shop = await register_business(house, "Shop")
    request.business_id = shop.business_id
    of_shop = (await device.calls.GetBusinessProfile(request)).profile
    assert of_shop.contact_id != profile.contact_id
    assert list(of_shop.edges) == []


async def test_an_unknown_business_has_no_profile(device: RegisteredDevice) -> None:
    with pytest.raises(Refusal, match="BUSINESS_NOT_FOUND"):
        await device.calls.GetBusinessProfile(
            pb.GetBusinessProfileRequest(business_id=str(new_id()))
        )
