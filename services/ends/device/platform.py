"""Where the platform is, and the connections of one device to it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import grpc

from hudhud.identity.v1 import identity_service_pb2, identity_service_pb2_grpc
from hudhud.messaging.v1 import messaging_service_pb2_grpc
from hudhud.policy.v1 import policy_service_pb2_grpc, verification_key_pb2
from services.ends.device.store import Registration
from services.kit.client import connect
from services.kit.errors import Refusal
from services.kit.token_source import TokenSource
from services.kit.verification_keys import VerificationKeys

_MAY_PASS: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)


def may_pass(refusal: Refusal) -> bool:
    """Whether the same call may succeed later; nobody knows what it did this time."""
    return refusal.reason.status in _MAY_PASS


@dataclass(frozen=True, slots=True)
class Platform:
    """The public addresses (host:port) and the authority that signed their certificates (PEM).

    Without an authority, those that this machine trusts.
    """

    identity_address: str
    policy_address: str
    messaging_address: str
    authority: bytes | None = None


class Connections:
    """One device's channels, each call with the device's token. Use as `async with`."""

    def __init__(self, platform: Platform, registration: Registration) -> None:
        self._platform = platform
        self._registration = registration
        self._stack = AsyncExitStack()
        self._exchange: Any = None
        self.identity: Any = None
        self.policy: Any = None
        self.messaging: Any = None
        self.clearance_keys = VerificationKeys(self._fetch_clearance_keys)

    async def __aenter__(self) -> Connections:
        platform = self._platform
        token = TokenSource(self._exchange_credential)
        open_channel = connect(platform.identity_address, name="identity", tls=platform.authority)
        self._exchange = _stub(identity_service_pb2_grpc.IdentityServiceStub, open_channel)
        await self._stack.enter_async_context(open_channel)
        for name, address, stub in (
            ("identity", platform.identity_address, identity_service_pb2_grpc.IdentityServiceStub),
            ("policy", platform.policy_address, policy_service_pb2_grpc.PolicyServiceStub),
            (
                "messaging",
                platform.messaging_address,
                messaging_service_pb2_grpc.MessagingServiceStub,
            ),
        ):
            channel = connect(address, name=name, tls=platform.authority, token=token)
            await self._stack.enter_async_context(channel)
            setattr(self, name, _stub(stub, channel))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def _exchange_credential(self) -> tuple[str, datetime]:
        response = await self._exchange.ExchangeDeviceCredential(
            identity_service_pb2.ExchangeDeviceCredentialRequest(
                device_id=self._registration.device_id,
                device_credential=self._registration.credential,
            )
        )
        token = response.access_token
        return token.token, token.expire_time.ToDatetime(UTC)

    async def _fetch_clearance_keys(self) -> dict[str, bytes]:
        response = await self.policy.ListVerificationKeys(
            verification_key_pb2.ListVerificationKeysRequest()
        )
        return {key.key_id: key.ed25519_key for key in response.keys}


def _stub(stub: Any, channel: Any) -> Any:
    """A generated stub; the generated code carries no types."""
    return stub(channel)
