"""Bad input: for every RPC that takes any, a request of sense with one field spoilt is refused by
naming the field.
"""

from typing import Any

import pytest

from hudhud.identity.v1 import device_pb2
from hudhud.identity.v1 import identity_service_pb2 as pb
from services.kit.client import PeerFault
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.identity.house import House
from tests.identity.parties import new_account, register_business, register_device

ID = str(new_id())
NUMBER = "+963944123456"
CONTACT = "c_" + "a" * 55
LONG_LABEL = "x" * 81
LONG_SECRET = "x" * 201
LONG_NUMBER = "+" + "9" * 32
KEY = device_pb2.SignedKey(public_key=b"k" * 32, signature=b"s" * 64)
SHORT_KEY = device_pb2.SignedKey(public_key=b"k" * 31, signature=b"s" * 64)
SHORT_SIGNATURE = device_pb2.SignedKey(public_key=b"k" * 32, signature=b"s" * 63)
PUBLISHED = new_account(1).unpublished_keys()


def keys(**changes: Any) -> device_pb2.PublishedKeys:
    """Keys of sense with something changed."""
    sound = {field.name: value for field, value in PUBLISHED.ListFields()}
    return device_pb2.PublishedKeys(**(sound | changes))


# For each RPC who calls it, a sound request, and what is spoilt: the path that has to be named, and
# the field's value.
CASES: dict[str, tuple[str, Any, list[tuple[str, dict[str, Any]]]]] = {
    "CreateBusiness": (
        "operator",
        pb.CreateBusinessRequest(business_id=ID, display_name="Air"),
        [
            ("business_id", {"business_id": ""}),
            ("business_id", {"business_id": "shop"}),
            ("business_id", {"business_id": ID.upper()}),
            ("display_name", {"display_name": ""}),
            ("display_name", {"display_name": LONG_LABEL}),
            ("localized_display_names[0]", {"localized_display_names": {"not a tag": "Air"}}),
            ("localized_display_names[0]", {"localized_display_names": {"ar": "ا" * 81}}),
        ],
    ),
    "GetBusiness": (
        "business",
        pb.GetBusinessRequest(business_id=ID),
        [("business_id", {"business_id": "1"})],
    ),
    "CreateApiKey": (
        "business",
        pb.CreateApiKeyRequest(business_id=ID),
        [("business_id", {"business_id": ""}), ("label", {"label": LONG_LABEL})],
    ),
    "ListApiKeys": (
        "business",
        pb.ListApiKeysRequest(business_id=ID),
        [
            ("business_id", {"business_id": ""}),
            ("page_size", {"page_size": -1}),
            ("page_size", {"page_size": 1001}),
            ("page_token", {"page_token": LONG_SECRET}),
        ],
    ),
    "RevokeApiKey": (
        "business",
        pb.RevokeApiKeyRequest(business_id=ID, api_key_id=new_id().hex),
        [
            ("business_id", {"business_id": ""}),
            ("api_key_id", {"api_key_id": ""}),
            ("api_key_id", {"api_key_id": "x" * 41}),
        ],
    ),
    "ExchangeApiKey": (
        "anyone",
        pb.ExchangeApiKeyRequest(secret="hk_"),
        [("secret", {"secret": ""}), ("secret", {"secret": LONG_SECRET})],
    ),
    "StartRegistration": (
        "anyone",
        pb.StartRegistrationRequest(phone_number=NUMBER),
        [("phone_number", {"phone_number": ""}), ("phone_number", {"phone_number": LONG_NUMBER})],
    ),
    "CompleteRegistration": (
        "anyone",
        pb.CompleteRegistrationRequest(registration_id=ID, code="123456", keys=PUBLISHED),
        [
            ("registration_id", {"registration_id": "7"}),
            ("code", {"code": ""}),
            ("code", {"code": "12345"}),
            ("code", {"code": "12345a"}),
            ("code", {"code": "١٢٣٤٥٦"}),
            ("device_label", {"device_label": LONG_LABEL}),
            ("keys", {"keys": None}),
            ("keys.ed25519_key", {"keys": keys(ed25519_key=b"k" * 31)}),
            ("keys.identity_key", {"keys": keys(identity_key=None)}),
            ("keys.fallback_key.signature", {"keys": keys(fallback_key=SHORT_SIGNATURE)}),
            ("keys.one_time_keys[1].public_key", {"keys": keys(one_time_keys=[KEY, SHORT_KEY])}),
            ("keys.one_time_keys", {"keys": keys(one_time_keys=[KEY] * 201)}),
        ],
    ),
    "ExchangeDeviceCredential": (
        "anyone",
        pb.ExchangeDeviceCredentialRequest(device_id=ID, device_credential="dc_x"),
        [
            ("device_id", {"device_id": "x"}),
            ("device_credential", {"device_credential": ""}),
            ("device_credential", {"device_credential": LONG_SECRET}),
        ],
    ),
    "RevokeDevice": (
        "device",
        pb.RevokeDeviceRequest(device_id=ID),
        [("device_id", {"device_id": "x"})],
    ),
    "PublishDeviceKeys": (
        "device",
        pb.PublishDeviceKeysRequest(),
        [
            ("one_time_keys", {"one_time_keys": [KEY] * 201}),
            ("one_time_keys[0].signature", {"one_time_keys": [SHORT_SIGNATURE]}),
            ("fallback_key.signature", {"fallback_key": SHORT_SIGNATURE}),
        ],
    ),
    "PublishEdgeKeys": (
        "edge",
        pb.PublishEdgeKeysRequest(business_id=ID, edge_id=ID, keys=PUBLISHED),
        [
            ("business_id", {"business_id": ""}),
            ("edge_id", {"edge_id": "edge"}),
            ("keys", {"keys": None}),
        ],
    ),
    "GetBusinessProfile": (
        "device",
        pb.GetBusinessProfileRequest(business_id=ID),
        [("business_id", {"business_id": "x"})],
    ),
    "ResolveContacts": (
        "business",
        pb.ResolveContactsRequest(business_id=ID, phone_numbers=[NUMBER]),
        [
            ("business_id", {"business_id": ""}),
            ("phone_numbers", {"phone_numbers": []}),
            ("phone_numbers", {"phone_numbers": [NUMBER] * 1001}),
            ("phone_numbers[1]", {"phone_numbers": [NUMBER, LONG_NUMBER]}),
        ],
    ),
    "ListContactDevices": (
        "business",
        pb.ListContactDevicesRequest(business_id=ID, contact_ids=[CONTACT]),
        [
            ("contact_ids", {"contact_ids": []}),
            ("contact_ids", {"contact_ids": [CONTACT] * 1001}),
            ("contact_ids[0]", {"contact_ids": ["c_x"]}),
        ],
    ),
    "ClaimKeyBundles": (
        "business",
        pb.ClaimKeyBundlesRequest(business_id=ID, end_ids=[ID]),
        [
            ("business_id", {"business_id": ""}),
            ("end_ids", {"end_ids": []}),
            ("end_ids", {"end_ids": [ID, ID]}),
            ("end_ids[0]", {"end_ids": ["end"]}),
        ],
    ),
}


@pytest.fixture(scope="module")
async def callers(house: House) -> dict[str, Any]:
    """A stub for each kind of caller."""
    return {
        "anyone": await house.anyone(),
        "operator": await house.operator(),
        "business": (await register_business(house)).calls,
        "device": (await register_device(house)).calls,
        "edge": await house.service("edge"),
    }


@pytest.mark.parametrize(
    ("rpc", "path", "spoilt"),
    [
        (rpc, path, spoilt)
        for rpc, (_, _, all_spoilt) in CASES.items()
        for path, spoilt in all_spoilt
    ],
)
async def test_a_field_that_breaks_its_rule_is_named(
    callers: dict[str, Any], rpc: str, path: str, spoilt: dict[str, Any]
) -> None:
    caller, sound, _ = CASES[rpc]
    request = type(sound)()
    request.CopyFrom(sound)
    for name, value in spoilt.items():
        request.ClearField(name)
        request.MergeFrom(type(request)(**{name: value}))
    with pytest.raises((Refusal, PeerFault)) as refused:
        await getattr(callers[caller], rpc)(request)
    error = refused.value
    # To a service, a request that makes no sense is a fault of its own.
    assert isinstance(error, PeerFault) is (caller == "edge")
    assert "INVALID_FIELD" in str(error)
    if isinstance(error, Refusal):
        assert [violation.field for violation in error.violations] == [path]


def test_every_rpc_that_takes_anything_has_a_case() -> None:
    service = pb.DESCRIPTOR.services_by_name["IdentityService"]
    assert set(CASES) == {method.name for method in service.methods if method.input_type.fields}
