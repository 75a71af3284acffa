"""ListApiKeys: newest first, page by page, without secrets."""

import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.identity.house import House
from tests.identity.parties import RegisteredBusiness, register_business


async def test_pages_hold_every_key_once_newest_first(business: RegisteredBusiness) -> None:
    made = [business.api_key_id]
    for number in range(4):
        created = await business.calls.CreateApiKey(
            pb.CreateApiKeyRequest(business_id=business.business_id, label=str(number))
        )
        made.append(created.api_key.api_key_id)
    sizes, listed, page_token = [], [], ""
    while True:
        page = await business.calls.ListApiKeys(
            pb.ListApiKeysRequest(
                business_id=business.business_id, page_size=2, page_token=page_token
            )
        )
        sizes.append(len(page.api_keys))
        listed += [key.api_key_id for key in page.api_keys]
        page_token = page.next_page_token
        if not page_token:
            break
    assert listed == made[::-1]
    assert sizes == [2, 2, 1]

    whole = await business.calls.ListApiKeys(
        pb.ListApiKeysRequest(business_id=business.business_id)
    )
    assert [key.api_key_id for key in whole.api_keys] == listed
    assert whole.next_page_token == ""


async def test_a_page_that_ends_exactly_at_the_end_is_the_last(
    business: RegisteredBusiness,
) -> None:
    page = await business.calls.ListApiKeys(
        pb.ListApiKeysRequest(business_id=business.business_id, page_size=1)
    )
    assert len(page.api_keys) == 1
    assert page.next_page_token == ""


@pytest.mark.parametrize("page_token", ["nonsense", "ffff", "é" * 32, str(new_id())])
async def test_a_token_from_nowhere_is_refused(
    business: RegisteredBusiness, page_token: str
) -> None:
    with pytest.raises(Refusal, match="INVALID_FIELD") as refused:
        await business.calls.ListApiKeys(
            pb.ListApiKeysRequest(business_id=business.business_id, page_token=page_token)
        )
    assert [violation.field for violation in refused.value.violations] == ["page_token"]


async def test_whose_keys_are_listed(house: House, business: RegisteredBusiness) -> None:
    other = await register_business(house, "Other")
    request = pb.ListApiKeysRequest(business_id=business.business_id)
    operator = await house.operator()
    assert len((await operator.ListApiKeys(request)).api_keys) == 1
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await other.calls.ListApiKeys(request)
    with pytest.raises(Refusal, match="BUSINESS_NOT_FOUND"):
        await operator.ListApiKeys(pb.ListApiKeysRequest(business_id=str(new_id())))
