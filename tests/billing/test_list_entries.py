"""ListEntries: what was booked, newest first, in pages."""

from typing import Any

import pytest

from hudhud.billing.v1 import account_pb2
from hudhud.billing.v1 import billing_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.billing.house import House
from tests.billing.parties import MARKETING, UNIT, Business


async def refusal_of(call: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value


async def test_an_entry_says_why_how_much_and_for_what(house: House, business: Business) -> None:
    item = business.item(category=MARKETING)
    await business.reserve(item)
    own = await house.business(business.business_id)
    response = await own.ListEntries(pb.ListEntriesRequest(business_id=business.business_id))
    newest, top_up = response.entries
    assert newest.type == account_pb2.Entry.TYPE_RESERVATION
    assert newest.business_id == business.business_id
    assert newest.amount == business.money(4 * UNIT)
    assert newest.reference_id == item.message_id
    assert newest.category == MARKETING
    assert newest.create_time.ToDatetime() == house.clock.now().replace(tzinfo=None)
    assert top_up.type == account_pb2.Entry.TYPE_TOP_UP
    assert top_up.category == 0
    assert newest.entry_id > top_up.entry_id


async def test_pages_follow_one_another_to_the_first_entry(business: Business) -> None:
    items = [business.item() for _ in range(9)]
    await business.reserve(*items)
    request = pb.ListEntriesRequest(business_id=business.business_id, page_size=4)
    pages = []
    while True:
        response = await business.operator.ListEntries(request)
        pages.append([entry.reference_id for entry in response.entries])
        if not response.next_page_token:
            break
        request.page_token = response.next_page_token
        # What is booked meanwhile is newer than every page to come.
        await business.top_up(UNIT)
    assert list(map(len, pages)) == [4, 4, 2]
    references = [reference for page in pages for reference in page]
    assert references[:9] == [item.message_id for item in reversed(items)]


async def test_entries_of_one_message(business: Business) -> None:
    one, other = business.item(), business.item()
    await business.reserve(one, other)
    await business.receipt("refused", one.message_id)
    assert await business.entries(one.message_id) == [("RESERVATION", UNIT), ("RELEASE", UNIT)]
    assert await business.entries(str(new_id())) == []


async def test_a_business_sees_its_own_entries_and_no_others(
    house: House, business: Business
) -> None:
    other = await house.business(new_id())
    request = pb.ListEntriesRequest(business_id=business.business_id)
    assert (await refusal_of(other.ListEntries(request))).reason.name == "CALLER_NOT_ALLOWED"


async def test_what_has_no_account_has_no_entries(business: Business) -> None:
    request = pb.ListEntriesRequest(business_id=str(new_id()))
    refusal = await refusal_of(business.operator.ListEntries(request))
    assert refusal.reason.name == "ACCOUNT_NOT_FOUND"


@pytest.mark.parametrize(
    "change",
    [
        {"business_id": "4711"},
        {"page_size": -1},
        {"page_size": 1001},
        {"page_token": "first"},
        {"page_token": "-1"},
        {"page_token": "1" * 30},
        {"page_token": "٣"},
        {"reference_id": "4711"},
    ],
)
async def test_a_request_that_breaks_a_rule_is_refused(
    business: Business, change: dict[str, Any]
) -> None:
    request = pb.ListEntriesRequest(**{"business_id": business.business_id, **change})
    refusal = await refusal_of(business.operator.ListEntries(request))
    assert refusal.reason.name == "INVALID_FIELD"
    assert refusal.metadata["field"] == next(iter(change))
