"""PublishDeviceKeys: further keys, none twice, none that is not the device's."""

import pytest

from hudhud.identity.v1 import device_pb2
from hudhud.identity.v1 import identity_service_pb2 as pb
from services.ends.sealing.accounts import EndAccount
from services.identity.domain.ends import ONE_TIME_KEYS_MAX
from services.kit.errors import Refusal
from tests.identity.house import House
from tests.identity.parties import (
    RegisteredBusiness,
    RegisteredDevice,
    forged,
    new_account,
    register_business,
    register_device,
)


def fresh_keys(account: EndAccount, count: int) -> list[device_pb2.SignedKey]:
    account.mark_keys_as_published()
    account.generate_one_time_keys(count)
    return list(account.unpublished_keys().one_time_keys)


async def claim(business: RegisteredBusiness, device: RegisteredDevice) -> device_pb2.KeyBundle:
    claimed = await business.calls.ClaimKeyBundles(
        pb.ClaimKeyBundlesRequest(business_id=business.business_id, end_ids=[device.device_id])
    )
    (bundle,) = claimed.bundles
    assert isinstance(bundle, device_pb2.KeyBundle)
    return bundle


async def test_further_keys_are_counted_and_known_ones_ignored(device: RegisteredDevice) -> None:
    keys = fresh_keys(device.account, 3)
    request = pb.PublishDeviceKeysRequest(one_time_keys=keys)
    assert (await device.calls.PublishDeviceKeys(request)).one_time_keys_left == 8
    assert (await device.calls.PublishDeviceKeys(request)).one_time_keys_left == 8
    twice = pb.PublishDeviceKeysRequest(one_time_keys=[keys[0], *fresh_keys(device.account, 1) * 2])
    assert (await device.calls.PublishDeviceKeys(twice)).one_time_keys_left == 9
    nothing = pb.PublishDeviceKeysRequest()
    assert (await device.calls.PublishDeviceKeys(nothing)).one_time_keys_left == 9


async def test_a_key_that_was_given_out_is_not_given_out_again_when_published_again(
    house: House, business: RegisteredBusiness
) -> None:
    device = await register_device(house, one_time_keys=1)
    published = device.account.unpublished_keys().one_time_keys
    assert (await claim(business, device)).session_key == published[0]
    again = pb.PublishDeviceKeysRequest(one_time_keys=published)
    assert (await device.calls.PublishDeviceKeys(again)).one_time_keys_left == 0
    assert (await claim(await register_business(house), device)).fallback


async def test_a_new_fallback_key_takes_the_place_of_the_old_one(
    house: House, business: RegisteredBusiness
) -> None:
    device = await register_device(house, one_time_keys=0)
    old = device.account.unpublished_keys().fallback_key
    assert (await claim(business, device)).session_key == old
    # Signed by the same device for the same purpose: any Curve25519 key will do for this.
    new = device_pb2.SignedKey(public_key=new_account(0).curve25519_key)
    new.signature = device.account._signed(new.public_key, b"hudhud.fallback_key.v1\0").signature
    await device.calls.PublishDeviceKeys(pb.PublishDeviceKeysRequest(fallback_key=new))
    bundle = await claim(business, device)
    assert bundle.fallback
    assert bundle.session_key == new


async def test_a_key_of_somebody_else_is_refused(house: House, device: RegisteredDevice) -> None:
    keys = fresh_keys(device.account, 1)
    strangers = fresh_keys(new_account(0), 1)
    with pytest.raises(Refusal, match="KEY_SIGNATURE_INVALID") as refused:
        await device.calls.PublishDeviceKeys(
            pb.PublishDeviceKeysRequest(one_time_keys=[*keys, *strangers])
        )
    assert [violation.field for violation in refused.value.violations] == [
        "one_time_keys[1].signature"
    ]
    bad_fallback = forged(new_account(0).unpublished_keys(), "fallback_key").fallback_key
    with pytest.raises(Refusal, match="KEY_SIGNATURE_INVALID"):
        await device.calls.PublishDeviceKeys(pb.PublishDeviceKeysRequest(fallback_key=bad_fallback))
    published = await device.calls.PublishDeviceKeys(
        pb.PublishDeviceKeysRequest(one_time_keys=keys)
    )
    assert published.one_time_keys_left == 6


async def test_there_is_room_for_so_many_keys_and_no_more(house: House) -> None:
    device = await register_device(house, one_time_keys=50)
    left = 0
    for _ in range(6):
        # An account holds few private halves at a time; the public ones are all that counts here.
        keys = [key for _ in range(4) for key in fresh_keys(device.account, 50)]
        response = await device.calls.PublishDeviceKeys(
            pb.PublishDeviceKeysRequest(one_time_keys=keys)
        )
        left = response.one_time_keys_left
    assert left == ONE_TIME_KEYS_MAX
