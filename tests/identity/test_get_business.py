"""GetBusiness: by the business itself or an operator."""

import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.identity.house import House
from tests.identity.parties import RegisteredBusiness, register_business


async def test_a_business_reads_itself_and_no_other(
    house: House, business: RegisteredBusiness
) -> None:
    other = await register_business(house, "Other")
    request = pb.GetBusinessRequest(business_id=business.business_id)
    mine = await business.calls.GetBusiness(request)
    assert mine.business.display_name == "Hudhud Air"
    assert await (await house.operator()).GetBusiness(request) == mine
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await other.calls.GetBusiness(request)


async def test_an_unknown_business_is_not_found(house: House) -> None:
    with pytest.raises(Refusal, match="BUSINESS_NOT_FOUND"):
        await (await house.operator()).GetBusiness(pb.GetBusinessRequest(business_id=str(new_id())))
