"""A platform without its core: identity, policy and messaging in memory, over real gRPC and TLS."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hudhud.identity.v1.identity_service_pb2_grpc import add_IdentityServiceServicer_to_server
from hudhud.messaging.v1.messaging_service_pb2_grpc import add_MessagingServiceServicer_to_server
from hudhud.policy.v1.policy_service_pb2_grpc import add_PolicyServiceServicer_to_server
from services.ends.device.platform import Platform
from services.kit.clock import ManualClock
from services.kit.config import ServiceSettings
from services.kit.pairwise import PairwiseIds
from services.kit.server import Server, Service
from services.kit.signing import SigningKey
from services.kit.tokens import TokenVerifier
from services.kit.verification_keys import VerificationKeys
from services.local.certificates import Authority
from tests.ends.fakes.identity import FakeIdentity, FakeIdentityServicer
from tests.ends.fakes.messaging import FakeMessagingServicer
from tests.ends.fakes.policy import FakePolicyServicer


class Town:
    """The three fakes behind one server, who believe what they say to one another."""

    def __init__(self, authority: Authority, clock: ManualClock) -> None:
        self.authority = authority
        self.clock = clock
        self.pairwise = PairwiseIds(secrets.token_bytes(32))
        self.token_key = SigningKey.generate()
        self.identity = FakeIdentity(self.pairwise)
        self.identity_servicer = FakeIdentityServicer(self.identity, self.token_key, clock)
        self.tokens = self.identity_servicer.tokens
        self.policy = FakePolicyServicer(clock)
        self.messaging = FakeMessagingServicer(clock, self.pairwise)
        self.internal_address = ""
        self.public_address = ""

    def platform(self) -> Platform:
        """As a device knows it."""
        address = self.public_address
        return Platform(address, address, address, self.authority.certificate_file.read_bytes())

    async def keys(self) -> dict[str, bytes]:
        """The keys that verify tokens."""
        return {self.token_key.key_id: self.token_key.public_bytes}


@asynccontextmanager
async def running_town(authority: Authority, clock: ManualClock) -> AsyncIterator[Town]:
    """A town that listens on both doors."""
    town = Town(authority, clock)
    files = authority.identity("town")
    given: dict[str, Any] = {
        "internal_listen": "127.0.0.1:0",
        "public_listen": "127.0.0.1:0",
        "database_url": "postgresql://none",
        "nats_url": "nats://none",
        "tls_certificate_file": files.certificate_file,
        "tls_key_file": files.key_file,
        "tls_authority_file": files.authority_file,
    }
    server = Server(ServiceSettings(**given), clock=clock)
    await server.start()
    try:
        await server.serve(
            Service(
                servicers=[
                    (add_IdentityServiceServicer_to_server, town.identity_servicer),
                    (add_PolicyServiceServicer_to_server, town.policy),
                    (add_MessagingServiceServicer_to_server, town.messaging),
                ],
                tokens=TokenVerifier(VerificationKeys(town.keys, clock=clock), clock=clock),
            )
        )
        town.internal_address = str(server.internal_address)
        town.public_address = str(server.public_address)
        yield town
    finally:
        await server.stop(0)
