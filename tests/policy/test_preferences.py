"""GrantConsent, WithdrawConsent, BlockBusiness, UnblockBusiness, ListPreferences: people decide."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from hudhud.policy.v1 import policy_service_pb2 as pb
from services.kit.errors import Refusal
from tests.policy.parties import Business, Person


async def listed(person: Person) -> dict[str, tuple[bool, bool]]:
    device = await person.device()
    response = await device.ListPreferences(pb.ListPreferencesRequest())
    assert response.next_page_token == ""
    return {one.business_id: (one.marketing_consent, one.blocked) for one in response.preferences}


async def decisions(person: Person) -> list[tuple[str, UUID, Any]]:
    rows = await person.replica.house.rows(
        "SELECT decision, device_id, decide_time FROM decisions WHERE person_id = $1"
        " ORDER BY decision_id",
        person.person_id,
    )
    return [tuple(row) for row in rows]


async def test_consent_and_blocks_are_decided_apart(person: Person) -> None:
    device = await person.device()
    business_id = str(uuid4())
    assert await listed(person) == {}
    await device.GrantConsent(pb.GrantConsentRequest(business_id=business_id))
    assert await listed(person) == {business_id: (True, False)}
    await device.BlockBusiness(pb.BlockBusinessRequest(business_id=business_id))
    assert await listed(person) == {business_id: (True, True)}
    await device.WithdrawConsent(pb.WithdrawConsentRequest(business_id=business_id))
    assert await listed(person) == {business_id: (False, True)}
    await device.UnblockBusiness(pb.UnblockBusinessRequest(business_id=business_id))
    assert await listed(person) == {business_id: (False, False)}
    assert await listed(Person(person.replica)) == {}


async def test_every_decision_is_kept_with_who_and_when(person: Person) -> None:
    device = await person.device()
    clock = person.replica.house.clock
    business_id = str(uuid4())
    times = []
    for call in (
        device.GrantConsent(pb.GrantConsentRequest(business_id=business_id)),
        device.GrantConsent(pb.GrantConsentRequest(business_id=business_id)),
        device.WithdrawConsent(pb.WithdrawConsentRequest(business_id=business_id)),
        device.WithdrawConsent(pb.WithdrawConsentRequest(business_id=business_id)),
    ):
        clock.advance(1)
        times.append(clock.now())
        await call
    # Deciding the same twice changes nothing.
    assert await decisions(person) == [
        ("grant_consent", person.device_id, times[0]),
        ("withdraw_consent", person.device_id, times[2]),
    ]
    for change in ("UPDATE decisions SET decision = 'grant_consent'", "DELETE FROM decisions"):
        with pytest.raises(asyncpg.RaiseError, match="only ever added"):
            await person.replica.house.rows(change)


async def test_the_same_decision_at_once_from_two_devices_is_one(person: Person) -> None:
    device = await person.device()
    request = pb.GrantConsentRequest(business_id=str(uuid4()))
    await asyncio.gather(*(device.GrantConsent(request) for _ in range(8)))
    assert len(await decisions(person)) == 1


async def test_preferences_are_listed_by_pages(person: Person) -> None:
    device = await person.device()
    businesses = [str(uuid4()) for _ in range(5)]
    for business_id in businesses:
        await device.GrantConsent(pb.GrantConsentRequest(business_id=business_id))
    found: list[str] = []
    page_token = ""
    for size in (2, 2, 1):
        response = await device.ListPreferences(
            pb.ListPreferencesRequest(page_size=2, page_token=page_token)
        )
        assert len(response.preferences) == size
        found += [one.business_id for one in response.preferences]
        page_token = response.next_page_token
    assert page_token == ""
    assert found == sorted(businesses)
    with pytest.raises(Refusal, match="INVALID_FIELD"):
        await device.ListPreferences(pb.ListPreferencesRequest(page_token="nonsense"))


async def test_only_a_persons_device_decides(business: Business, person: Person) -> None:
    stub = await business.stub()
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await stub.GrantConsent(pb.GrantConsentRequest(business_id=str(business.business_id)))
    device = await person.device()
    with pytest.raises(Refusal, match="INVALID_FIELD"):
        await device.GrantConsent(pb.GrantConsentRequest(business_id="nobody"))
