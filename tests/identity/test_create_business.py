"""CreateBusiness: idempotent by id, refused for another body."""

import asyncio
from typing import Any

import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.identity.house import House


def request(business_id: str, **changes: Any) -> pb.CreateBusinessRequest:
    fields: dict[str, Any] = {
        "business_id": business_id,
        "display_name": "Hudhud Air",
        "localized_display_names": {"ar": "طيران الهدهد", "en-GB": "Hudhud Air"},
    }
    return pb.CreateBusinessRequest(**(fields | changes))


async def test_the_same_id_and_body_again_is_the_first_answer_again(house: House) -> None:
    operator = await house.operator()
    business_id = str(new_id())
    first = await operator.CreateBusiness(request(business_id))
    assert first.business.localized_display_names["ar"] == "طيران الهدهد"
    house.clock.advance(60)
    assert await operator.CreateBusiness(request(business_id)) == first

    with pytest.raises(Refusal, match="BUSINESS_ID_REUSED") as refused:
        await operator.CreateBusiness(request(business_id, display_name="Other Air"))
    assert refused.value.metadata == {"business_id": business_id}
    with pytest.raises(Refusal, match="BUSINESS_ID_REUSED"):
        await operator.CreateBusiness(request(business_id, localized_display_names={}))


async def test_many_at_once_register_one(house: House) -> None:
    operator = await house.operator()
    business_id = str(new_id())
    names = [f"Air {number}" for number in range(8)]
    outcomes = await asyncio.gather(
        *(operator.CreateBusiness(request(business_id, display_name=name)) for name in names),
        return_exceptions=True,
    )
    registered = [each for each in outcomes if isinstance(each, pb.CreateBusinessResponse)]
    assert len(registered) == 1
    refused = [each for each in outcomes if isinstance(each, Refusal)]
    assert {each.reason.name for each in refused} == {"BUSINESS_ID_REUSED"}
    assert len(refused) == len(names) - 1
