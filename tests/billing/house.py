"""A real billing for tests: PostgreSQL, TLS, both listeners, tokens; only the time is ours."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from hudhud.billing.v1 import (
    billing_service_pb2_grpc,
    correction_service_pb2_grpc,
    statement_service_pb2_grpc,
)
from hudhud.identity.v1 import identity_service_pb2 as identity_pb
from hudhud.identity.v1 import identity_service_pb2_grpc
from services.billing.app import app
from services.billing.config import BillingSettings
from services.kit.access import CallerKind
from services.kit.client import connect
from services.kit.clock import ManualClock
from services.kit.config import Address, ServiceSettings, TlsFiles
from services.kit.database import FOUND_BY_KEY, Database
from services.kit.server import Server, Service
from services.kit.signing import SigningKey
from services.kit.token_source import TokenSource
from services.kit.tokens import TokenSigner
from services.local.certificates import Authority
from tests.fixtures.postgres import PostgresForTests

# Nobody listens there: most tests hand events in themselves.
NO_NATS = "nats://127.0.0.1:1"


class _Stub(
    billing_service_pb2_grpc.BillingServiceStub,
    statement_service_pb2_grpc.StatementServiceStub,
    correction_service_pb2_grpc.CorrectionServiceStub,
):
    """All of billing's services on one channel: no two of their methods have the same name."""

    def __init__(self, channel: Any) -> None:
        billing_service_pb2_grpc.BillingServiceStub.__init__(self, channel)
        statement_service_pb2_grpc.StatementServiceStub.__init__(self, channel)
        correction_service_pb2_grpc.CorrectionServiceStub.__init__(self, channel)


@dataclass
class House:
    """A running billing, and whoever calls it."""

    clock: ManualClock
    # As the service itself enters it, and as its owner.
    database: Database
    guest_url: str
    owner_url: str
    internal_address: str
    public_address: str
    _signer: TokenSigner
    _authority: Authority
    _stack: AsyncExitStack
    _stubs: dict[tuple[str, str], Any] = field(default_factory=dict)

    async def operator(self) -> Any:
        """A stub on the public listener, as an operator."""
        return await self._bearer(CallerKind.OPERATOR, "somebody")

    async def business(self, business_id: UUID | str) -> Any:
        """A stub on the public listener, as this business."""
        return await self._bearer(CallerKind.BUSINESS, business_id)

    async def anyone(self) -> Any:
        """A stub on the public listener, without a token."""
        authority = self._authority.certificate_file.read_bytes()
        return await self._stub("anyone", "", self.public_address, authority)

    async def service(self, name: str) -> Any:
        """A stub on the internal listener, as this service."""
        tls = tls_files_of(self._authority, name)
        return await self._stub("service", name, self.internal_address, tls)

    async def guest(self) -> asyncpg.Connection:
        """A connection of the service's own role, for SQL by hand."""
        return await self._connection(self.guest_url)

    async def owner(self) -> asyncpg.Connection:
        """A connection of the role that owns the tables."""
        return await self._connection(self.owner_url)

    async def _connection(self, url: str) -> asyncpg.Connection:
        connection = await asyncpg.connect(url)
        self._stack.push_async_callback(connection.close)
        return connection

    async def _bearer(self, kind: CallerKind, subject: UUID | str) -> Any:
        token = self._signer.sign(kind, subject, lifetime_seconds=10**9)

        async def exchange() -> Any:
            return token.text, token.expire_time

        authority = self._authority.certificate_file.read_bytes()
        source = TokenSource(exchange, clock=self.clock)
        return await self._stub(kind, str(subject), self.public_address, authority, source)

    async def _stub(
        self,
        kind: str,
        name: str,
        address: str,
        tls: TlsFiles | bytes,
        token: TokenSource | None = None,
    ) -> Any:
        """The stub of this caller; each has one connection, however often a test asks."""
        if (kind, name) not in self._stubs:
            channel = connect(address, name="billing", tls=tls, token=token, timeout_seconds=30)
            await self._stack.enter_async_context(channel)
            self._stubs[kind, name] = _Stub(channel)
        return self._stubs[kind, name]


@asynccontextmanager
async def running_billing(
    postgres: PostgresForTests, authority: Authority, nats_url: str = NO_NATS, **overrides: Any
) -> AsyncIterator[House]:
    """A billing with an empty ledger."""
    owner_url, guest_url = await postgres.create_database_with_guest("billing")
    clock = ManualClock()
    key = SigningKey.generate()
    async with AsyncExitStack() as stack:
        identity_address = await stack.enter_async_context(running_identity(authority, key))
        settings = BillingSettings(
            **listening_as(authority, "billing"),
            database_url=guest_url,
            migration_database_url=owner_url,
            nats_url=nats_url,
            identity_address=str(identity_address),
            **overrides,
        )
        server = Server(settings)
        await server.start()
        stack.push_async_callback(server.stop, 0)
        service = await stack.enter_async_context(app(settings, clock))
        await server.serve(service)
        database = await Database.open(
            guest_url, name="test", postgres_settings=FOUND_BY_KEY, clock=clock
        )
        stack.push_async_callback(database.close)
        yield House(
            clock=clock,
            database=database,
            guest_url=guest_url,
            owner_url=owner_url,
            internal_address=str(server.internal_address),
            public_address=str(server.public_address),
            _signer=TokenSigner(key, clock=clock),
            _authority=authority,
            _stack=stack,
        )


@asynccontextmanager
async def running_identity(authority: Authority, key: SigningKey) -> AsyncIterator[Address]:
    """What billing needs of identity: its public keys."""

    class KeysOfIdentity(identity_service_pb2_grpc.IdentityServiceServicer):
        async def ListVerificationKeys(self, request: Any, context: Any) -> Any:
            response = identity_pb.ListVerificationKeysResponse()
            response.keys.add(key_id=key.key_id, ed25519_key=key.public_bytes)
            return response

    server = Server(
        ServiceSettings(
            **listening_as(authority, "identity"), database_url="postgresql://", nats_url=NO_NATS
        )
    )
    await server.start()
    try:
        add_servicer = identity_service_pb2_grpc.add_IdentityServiceServicer_to_server
        await server.serve(Service([(add_servicer, KeysOfIdentity())]))
        assert server.internal_address is not None
        yield server.internal_address
    finally:
        await server.stop(0)


def tls_files_of(authority: Authority, name: str) -> TlsFiles:
    """The certificate of a service of this name."""
    files = authority.identity(name)
    return TlsFiles(
        files.certificate_file.read_bytes(),
        files.key_file.read_bytes(),
        files.authority_file.read_bytes(),
    )


def listening_as(authority: Authority, name: str) -> dict[str, Any]:
    """The settings of a service's doors, on any free ports."""
    files = authority.identity(name)
    return {
        "internal_listen": "127.0.0.1:0",
        "public_listen": "127.0.0.1:0",
        "tls_certificate_file": files.certificate_file,
        "tls_key_file": files.key_file,
        "tls_authority_file": files.authority_file,
    }
