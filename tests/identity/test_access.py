"""Who may call what: whoever is not listed is refused, on either listener."""

import tomllib
from typing import Any

import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from services.kit.access import ACCESS_FILE
from services.kit.client import PeerFault
from services.kit.errors import Refusal
from tests.identity.house import House
from tests.identity.parties import register_business, register_device

LISTED = tomllib.loads(ACCESS_FILE.read_text())["hudhud.identity.v1.IdentityService"]
METHODS = {
    method.name: method for method in pb.DESCRIPTOR.services_by_name["IdentityService"].methods
}
CALLERS = ("anyone", "operator", "business", "device", "edge", "policy", "billing", "messaging")


@pytest.fixture(scope="module")
async def stubs(house: House) -> dict[str, Any]:
    """A stub for each caller."""
    return {
        "anyone": await house.anyone(),
        "operator": await house.operator(),
        "business": (await register_business(house)).calls,
        "device": (await register_device(house)).calls,
        **{name: await house.service(name) for name in ("edge", "policy", "billing", "messaging")},
    }


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("rpc", sorted(METHODS))
async def test_who_is_listed_gets_in_and_who_is_not_does_not(
    stubs: dict[str, Any], rpc: str, caller: str
) -> None:
    request = getattr(pb, METHODS[rpc].input_type.name)()
    kind = caller if caller in ("anyone", "operator", "business", "device") else f"service:{caller}"
    is_listed = kind in LISTED[rpc] or "anyone" in LISTED[rpc]
    try:
        await getattr(stubs[caller], rpc)(request)
        reason = ""
    except (Refusal, PeerFault) as error:
        reason = str(error)
    # An empty request gets as far as its fields, or all the way where there are none.
    if is_listed:
        assert not reason or "INVALID_FIELD" in reason
    elif kind == "anyone" and any(not each.startswith("service:") for each in LISTED[rpc]):
        assert "TOKEN_MISSING" in reason
    else:
        assert "CALLER_NOT_ALLOWED" in reason
