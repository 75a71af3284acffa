"""ClaimKeyBundles: a one-time key is given out once, and the fallback key when none is left."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hudhud.identity.v1 import device_pb2
from hudhud.identity.v1 import identity_service_pb2 as pb
from services.ends.sealing.accounts import check_bundle
from services.identity.domain.ends import CLAIMS_MAX
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.identity.house import House
from tests.identity.parties import (
    RegisteredBusiness,
    RegisteredDevice,
    new_account,
    publish_edge,
    register_business,
    register_device,
)


async def claim(
    calls: Any, business_id: str, end_ids: Sequence[str]
) -> dict[str, device_pb2.KeyBundle]:
    response = await calls.ClaimKeyBundles(
        pb.ClaimKeyBundlesRequest(business_id=business_id, end_ids=end_ids)
    )
    bundles = {bundle.end.end_id: bundle for bundle in response.bundles}
    assert len(bundles) == len(response.bundles)
    return bundles


# Who claims which of three devices, all at the same moment; and how many keys each device has.
PLANS = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True), min_size=1, max_size=25
)
STOCKS = st.lists(st.integers(0, 8), min_size=3, max_size=3)


@given(plan=PLANS, stocks=STOCKS, further=st.integers(0, 5))
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_no_one_time_key_is_given_to_two_and_none_is_lost(
    house: House, plan: list[list[int]], stocks: list[int], further: int
) -> None:
    devices = [await register_device(house, one_time_keys=stock) for stock in stocks]
    edge = await house.service("edge")
    published = {
        device.device_id: {
            key.public_key for key in device.account.unpublished_keys().one_time_keys
        }
        for device in devices
    }
    # The first device publishes more while the others claim.
    devices[0].account.mark_keys_as_published()
    devices[0].account.generate_one_time_keys(further)
    more = devices[0].account.unpublished_keys().one_time_keys
    published[devices[0].device_id] |= {key.public_key for key in more}

    claims = (
        claim(edge, str(new_id()), [devices[index].device_id for index in wanted])
        for wanted in plan
    )
    answers, _ = await asyncio.gather(
        asyncio.gather(*claims),
        devices[0].calls.PublishDeviceKeys(pb.PublishDeviceKeysRequest(one_time_keys=more)),
    )

    given_out: dict[str, Counter[bytes]] = {device_id: Counter() for device_id in published}
    for wanted, bundles in zip(plan, answers, strict=True):
        assert set(bundles) == {devices[index].device_id for index in wanted}
        for device_id, bundle in bundles.items():
            check_bundle(bundle)
            if not bundle.fallback:
                given_out[device_id][bundle.session_key.public_key] += 1
    for device in devices:
        keys = given_out[device.device_id]
        assert all(count == 1 for count in keys.values())
        assert set(keys) <= published[device.device_id]
        left = await device.calls.PublishDeviceKeys(pb.PublishDeviceKeysRequest())
        assert left.one_time_keys_left == len(published[device.device_id]) - len(keys)


async def test_when_keys_run_out_the_fallback_key_begins_sessions_that_open(
    house: House, business: RegisteredBusiness
) -> None:
    device = await register_device(house, one_time_keys=1)
    other = await register_business(house, "Other")
    for each, is_fallback in ((business, False), (other, True)):
        bundle = (await claim(each.calls, each.business_id, [device.device_id]))[device.device_id]
        assert bundle.fallback is is_fallback
        edge = new_account(0)
        _, ciphertext = edge.begin_session(bundle).seal(b"a letter")
        _, opened = device.account.accept_session(edge.curve25519_key, ciphertext)
        assert opened == b"a letter"


async def test_a_party_that_had_its_share_gets_the_fallback_key_and_the_next_day_another(
    house: House, business: RegisteredBusiness
) -> None:
    device = await register_device(house, one_time_keys=3 * CLAIMS_MAX)

    async def has_one_time_key(party: RegisteredBusiness) -> bool:
        bundles = await claim(party.calls, party.business_id, [device.device_id])
        return not bundles[device.device_id].fallback

    assert [await has_one_time_key(business) for _ in range(CLAIMS_MAX)] == [True] * CLAIMS_MAX
    assert not await has_one_time_key(business)
    # Whoever drains takes nothing from others.
    assert await has_one_time_key(await register_business(house, "Other"))
    house.clock.advance(24 * 3600 - 1)
    assert not await has_one_time_key(business)
    house.clock.advance(1)
    assert await has_one_time_key(business)


async def test_the_share_holds_when_one_party_asks_many_times_at_once(
    house: House, business: RegisteredBusiness
) -> None:
    device = await register_device(house, one_time_keys=20)
    answers = await asyncio.gather(
        *(claim(business.calls, business.business_id, [device.device_id]) for _ in range(15))
    )
    fallbacks = [bundles[device.device_id].fallback for bundles in answers]
    assert Counter(fallbacks) == {False: CLAIMS_MAX, True: 15 - CLAIMS_MAX}


async def test_claims_of_the_same_ends_in_any_order_do_not_lock_each_other_out(
    house: House, business: RegisteredBusiness
) -> None:
    end_ids = [(await register_device(house, one_time_keys=2)).device_id for _ in range(10)]
    answers = await asyncio.gather(
        *(
            claim(business.calls, business.business_id, end_ids[:: 1 if n % 2 else -1])
            for n in range(10)
        )
    )
    assert all(set(bundles) == set(end_ids) for bundles in answers)


async def test_a_device_claims_a_businesss_edges_and_a_business_peoples_devices(
    house: House, business: RegisteredBusiness, device: RegisteredDevice
) -> None:
    edge_id = await publish_edge(house, business.business_id, one_time_keys=2)
    asked = [edge_id, device.device_id, str(new_id())]
    assert set(await claim(device.calls, business.business_id, asked)) == {edge_id}
    assert set(await claim(business.calls, business.business_id, asked)) == {device.device_id}
    other = await register_business(house, "Other")
    assert await claim(device.calls, other.business_id, asked) == {}
    # A person's devices share what one person may have.
    second = await register_device(house, device.phone_number)
    bundles = [
        (await claim(each.calls, business.business_id, [edge_id]))[edge_id]
        for each in (second, device)
    ]
    assert [bundle.fallback for bundle in bundles] == [False, True]


async def test_a_business_claims_for_itself_only(
    house: House, business: RegisteredBusiness, device: RegisteredDevice
) -> None:
    other = await register_business(house, "Other")
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await claim(other.calls, business.business_id, [device.device_id])
    assert await claim(other.calls, other.business_id, [device.device_id])
