"""A real messaging for tests: PostgreSQL, NATS, TLS, both listeners, tokens and clearances.

Only billing is a fake, at the port, and the time is ours.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from hudhud.messaging.v1 import message_pb2, messaging_service_pb2_grpc
from services.kit.access import CallerKind
from services.kit.client import Channel, connect
from services.kit.clock import ManualClock
from services.kit.config import TlsFiles
from services.kit.pairwise import PairwiseIds
from services.kit.process import kept_running
from services.kit.server import Server
from services.kit.signing import SigningKey
from services.kit.token_source import TokenSource
from services.kit.tokens import Token, TokenSigner
from services.kit.verification_keys import VerificationKeys
from services.local.certificates import Authority
from services.messaging.app import messaging
from services.messaging.config import MessagingSettings
from tests.messaging.fake_billing import FakeBilling

START = datetime.fromisoformat("2026-03-01T12:00:00+00:00")


class House:
    """What all replicas of a messaging stand on, and who may call them."""

    def __init__(
        self, database_url: str, nats_url: str, authority: Authority, folder: Path
    ) -> None:
        self.clock = ManualClock(START)
        self.billing = FakeBilling()
        self.policy_key = SigningKey.generate()
        self.identity_key = SigningKey.generate()
        self.database_url = database_url
        self.nats_url = nats_url
        self._authority = authority
        self._secret_file = folder / "pairwise.hex"
        self._secret_file.write_text(secrets.token_hex(64))
        self.pairwise = PairwiseIds(self._secret_file.read_bytes())
        self.tokens = TokenSigner(self.identity_key, clock=self.clock)

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """What a query of the test's own finds in messaging's database."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def changes(self) -> list[message_pb2.MessageChanged]:
        """What was told of messages, in the order in which it was written."""
        rows = await self.rows(
            "SELECT payload FROM outbox WHERE subject LIKE 'hudhud.messaging.message.%' ORDER BY id"
        )
        return [message_pb2.MessageChanged.FromString(row["payload"]) for row in rows]

    async def waiting(self) -> int:
        """How many copies are in mailboxes."""
        [row] = await self.rows(
            "SELECT (SELECT count(*) FROM device_envelopes) + (SELECT count(*) FROM edge_envelopes)"
        )
        return int(row[0])

    @asynccontextmanager
    async def replica(self, **overrides: Any) -> AsyncIterator[Replica]:
        """A messaging process's worth of messaging; several may run at once."""
        settings = self._settings(overrides)
        async with AsyncExitStack() as stack:
            server = Server(settings, clock=self.clock)
            await server.start()
            stack.push_async_callback(server.stop, 0)
            service = await stack.enter_async_context(
                messaging(
                    settings,
                    self.billing,
                    VerificationKeys(self._keys(self.identity_key), clock=self.clock),
                    VerificationKeys(self._keys(self.policy_key), clock=self.clock),
                    self.clock,
                )
            )
            await server.serve(service)
            tasks = [asyncio.ensure_future(kept_running(work)) for work in service.background]
            try:
                yield Replica(self, server, stack, self._authority)
            finally:
                await server.stop(0)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _settings(self, overrides: Mapping[str, Any]) -> MessagingSettings:
        files = self._authority.identity("messaging")
        given: dict[str, Any] = {
            "internal_listen": "127.0.0.1:0",
            "public_listen": "127.0.0.1:0",
            "database_url": self.database_url,
            "nats_url": self.nats_url,
            "tls_certificate_file": files.certificate_file,
            "tls_key_file": files.key_file,
            "tls_authority_file": files.authority_file,
            "identity_address": "127.0.0.1:1",
            "policy_address": "127.0.0.1:1",
            "billing_address": "127.0.0.1:1",
            "pairwise_secret_file": self._secret_file,
        }
        return MessagingSettings(**{**given, **overrides})

    @staticmethod
    def _keys(key: SigningKey) -> Any:
        async def fetch() -> Mapping[str, bytes]:
            return {key.key_id: key.public_bytes}

        return fetch


class Replica:
    """One running messaging, and stubs that call it."""

    def __init__(
        self, house: House, server: Server, stack: AsyncExitStack, authority: Authority
    ) -> None:
        self.house = house
        self.server = server
        self._stack = stack
        self._authority = authority
        self._service_stubs: dict[str, Any] = {}

    async def service(self, name: str = "edge") -> Any:
        """A stub on the internal listener, as this service."""
        if name not in self._service_stubs:
            files = self._authority.identity(name)
            tls = TlsFiles(
                files.certificate_file.read_bytes(),
                files.key_file.read_bytes(),
                files.authority_file.read_bytes(),
            )
            channel = connect(
                str(self.server.internal_address), name="messaging", tls=tls, timeout_seconds=20
            )
            self._service_stubs[name] = await self._stub(channel)
        return self._service_stubs[name]

    async def device(
        self, person_id: UUID, device_id: UUID, *, country: str = "SY", lifetime_seconds: int = 900
    ) -> Any:
        """A stub on the public listener, as this device."""
        return await self._bearer(
            partial(
                self.house.tokens.sign,
                CallerKind.DEVICE,
                person_id,
                device_id=device_id,
                country=country,
                lifetime_seconds=lifetime_seconds,
            )
        )

    async def business(self, business_id: UUID) -> Any:
        """A stub on the public listener, as this business."""
        sign = self.house.tokens.sign
        return await self._bearer(
            partial(sign, CallerKind.BUSINESS, business_id, lifetime_seconds=900)
        )

    async def _bearer(self, sign: Callable[[], Token]) -> Any:
        async def exchange() -> tuple[str, datetime]:
            return sign()

        return await self._stub(
            connect(
                str(self.server.public_address),
                name="messaging",
                tls=self._authority.certificate_file.read_bytes(),
                token=TokenSource(exchange, clock=self.house.clock),
                timeout_seconds=20,
            )
        )

    async def _stub(self, channel: Channel) -> Any:
        await self._stack.enter_async_context(channel)
        stub: Any = messaging_service_pb2_grpc.MessagingServiceStub
        return stub(channel)
