"""A real policy for tests: PostgreSQL, TLS, both listeners, tokens, the classifier's process; only
the time is ours.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from hudhud.identity.v1 import identity_service_pb2 as identity_pb
from hudhud.identity.v1 import identity_service_pb2_grpc
from hudhud.policy.v1 import (
    label_service_pb2_grpc,
    model_service_pb2_grpc,
    policy_service_pb2_grpc,
)
from ml.places import RELEASED
from services.kit.access import CallerKind
from services.kit.client import Channel, connect
from services.kit.clock import ManualClock
from services.kit.config import ServiceSettings, TlsFiles
from services.kit.pairwise import PairwiseIds
from services.kit.process import kept_running
from services.kit.server import Server, Service
from services.kit.signing import SigningKey
from services.kit.token_source import TokenSource
from services.kit.tokens import TokenSigner
from services.local.certificates import Authority
from services.policy.app import app
from services.policy.config import PolicySettings

START = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
MODEL, MODEL_KEY = RELEASED.model, RELEASED.public_key

# Nobody listens there: most tests hand events in themselves.
NO_NATS = "nats://127.0.0.1:1"


class House:
    """What all replicas of a policy stand on, and who may call them."""

    def __init__(self, database_url: str, authority: Authority, folder: Path) -> None:
        self.clock = ManualClock(START)
        self.identity_key = SigningKey.generate()
        self.clearance_key = SigningKey.generate()
        self.database_url = database_url
        self.nats_url = NO_NATS
        self.authority = authority
        self.folder = folder
        self._identity_address = ""
        self._secret_file = folder / "pairwise.hex"
        self._secret_file.write_text(secrets.token_hex(64))
        self._clearance_key_file = folder / "clearance-signing.pem"
        self._clearance_key_file.write_bytes(self.clearance_key.to_pem())
        self.pairwise = PairwiseIds(self._secret_file.read_bytes())
        self.tokens = TokenSigner(self.identity_key, clock=self.clock)

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """What a query of the test's own finds in policy's database."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    @asynccontextmanager
    async def identity(self) -> AsyncIterator[None]:
        """Somebody who publishes the keys that verify tokens, as identity does."""
        server = Server(identity_settings(self.authority))
        await server.start()
        await server.serve(
            Service(
                [
                    (
                        identity_service_pb2_grpc.add_IdentityServiceServicer_to_server,
                        _Keys(self.identity_key),
                    )
                ]
            )
        )
        self._identity_address = str(server.internal_address)
        try:
            yield
        finally:
            await server.stop(0)

    def settings(self, **overrides: Any) -> PolicySettings:
        """What a policy process is told."""
        files = self.authority.identity("policy")
        given: dict[str, Any] = {
            "internal_listen": "127.0.0.1:0",
            "public_listen": "127.0.0.1:0",
            "database_url": self.database_url,
            "nats_url": self.nats_url,
            "tls_certificate_file": files.certificate_file,
            "tls_key_file": files.key_file,
            "tls_authority_file": files.authority_file,
            "identity_address": self._identity_address,
            "pairwise_secret_file": self._secret_file,
            "clearance_signing_key_file": self._clearance_key_file,
            "model_directory": MODEL,
            "model_verification_key_file": MODEL_KEY,
        }
        return PolicySettings(**{**given, **overrides})

    @asynccontextmanager
    async def replica(self, **overrides: Any) -> AsyncIterator[Replica]:
        """A policy process's worth of policy; several may run at once."""
        settings = self.settings(**overrides)
        async with AsyncExitStack() as stack:
            server = Server(settings, clock=self.clock)
            await server.start()
            stack.push_async_callback(server.stop, 0)
            service = await stack.enter_async_context(app(settings, self.clock))
            await server.serve(service)
            tasks = [asyncio.ensure_future(kept_running(work)) for work in service.background]
            try:
                yield Replica(self, server, service, stack)
            finally:
                await server.stop(0)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def identity_settings(authority: Authority) -> ServiceSettings:
    """What a process is told that listens for other services only."""
    files = authority.identity("identity")
    given: dict[str, Any] = {
        "internal_listen": "127.0.0.1:0",
        "database_url": "postgresql://unused",
        "nats_url": NO_NATS,
        "tls_certificate_file": files.certificate_file,
        "tls_key_file": files.key_file,
        "tls_authority_file": files.authority_file,
    }
    return ServiceSettings(**given)


class _Keys(identity_service_pb2_grpc.IdentityServiceServicer):
    """Identity, as far as policy ever calls it."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    async def ListVerificationKeys(
        self, request: Any, context: Any
    ) -> identity_pb.ListVerificationKeysResponse:
        return identity_pb.ListVerificationKeysResponse(
            keys=[
                identity_pb.VerificationKey(
                    key_id=self._key.key_id, ed25519_key=self._key.public_bytes
                )
            ]
        )


class Replica:
    """One running policy, and stubs that call it."""

    def __init__(
        self, house: House, server: Server, service: Service, stack: AsyncExitStack
    ) -> None:
        self.house = house
        self.server = server
        # The servicer, for tests that reach behind it.
        self.servicer: Any = service.servicers[0][1]
        self._stack = stack
        self._stubs: dict[Any, Any] = {}

    async def service(self, name: str = "edge") -> Any:
        """A stub on the internal listener, as this service."""
        if name not in self._stubs:
            files = self.house.authority.identity(name)
            tls = TlsFiles(
                files.certificate_file.read_bytes(),
                files.key_file.read_bytes(),
                files.authority_file.read_bytes(),
            )
            self._stubs[name] = await self._stub(
                connect(
                    str(self.server.internal_address), name="policy", tls=tls, timeout_seconds=20
                )
            )
        return self._stubs[name]

    async def business(self, business_id: UUID) -> Any:
        """A stub on the public listener, as this business."""
        return await self._bearer(CallerKind.BUSINESS, business_id)

    async def operator(self) -> Any:
        """A stub on the public listener, as an operator."""
        return await self._bearer(CallerKind.OPERATOR, "ops")

    async def models(self) -> Any:
        """A stub of the service that operators change models with."""
        return await self.models_as("operator")

    async def models_as(self, kind: str) -> Any:
        """The same, as somebody of this kind."""
        return await self._somebodys(kind, model_service_pb2_grpc.ModelServiceStub)

    async def labels(self) -> Any:
        """A stub of the service that reviewers decide with."""
        return await self.labels_as("operator")

    async def labels_as(self, kind: str) -> Any:
        """The same, as somebody of this kind."""
        return await self._somebodys(kind, label_service_pb2_grpc.LabelServiceStub)

    async def _somebodys(self, kind: str, stub: Any) -> Any:
        subject = "ops" if kind == "operator" else uuid4()
        claims = {"device_id": uuid4(), "country": "SY"} if kind == "device" else {}
        return await self._bearer(CallerKind(kind), subject, stub=stub, **claims)

    async def device(self, person_id: UUID, device_id: UUID) -> Any:
        """A stub on the public listener, as this device."""
        return await self._bearer(CallerKind.DEVICE, person_id, device_id=device_id, country="SY")

    async def anyone(self) -> Any:
        """A stub on the public listener, without a token."""
        return await self._stub(self._public(None))

    async def _bearer(
        self,
        kind: CallerKind,
        subject: UUID | str,
        *,
        stub: Any = policy_service_pb2_grpc.PolicyServiceStub,
        **claims: Any,
    ) -> Any:
        if (kind, subject, stub) not in self._stubs:
            token = self.house.tokens.sign(kind, subject, lifetime_seconds=10**9, **claims).text

            async def exchange() -> tuple[str, datetime]:
                return token, self.house.clock.now() + timedelta(days=10_000)

            source = TokenSource(exchange, clock=self.house.clock)
            self._stubs[kind, subject, stub] = await self._stub(self._public(source), stub)
        return self._stubs[kind, subject, stub]

    def _public(self, token: TokenSource | None) -> Channel:
        return connect(
            str(self.server.public_address),
            name="policy",
            tls=self.house.authority.certificate_file.read_bytes(),
            token=token,
            timeout_seconds=20,
        )

    async def _stub(
        self, channel: Channel, stub: Any = policy_service_pb2_grpc.PolicyServiceStub
    ) -> Any:
        await self._stack.enter_async_context(channel)
        return stub(channel)


def keys_of(response: Any) -> Mapping[str, bytes]:
    """Public keys by their ids."""
    return {key.key_id: key.ed25519_key for key in response.keys}
