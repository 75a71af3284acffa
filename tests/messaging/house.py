"""A real messaging for tests: PostgreSQL, NATS, TLS, both listeners, tokens and clearances.

Only billing is a fake, at the port, and the time is ours.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from hudhud.messaging.v1 import message_pb2, messaging_service_pb2_grpc
from services.kit.access import CallerKind
from services.kit.client import Channel, connect
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
from tests.messaging.replica_process import SharedManualClock, keys

START = datetime.fromisoformat("2026-03-01T12:00:00+00:00")


class House:
    """What all replicas of a messaging stand on, and who may call them."""

    def __init__(
        self, database_url: str, nats_url: str, authority: Authority, folder: Path
    ) -> None:
        self.clock = SharedManualClock(START, folder / "clock")
        self.billing = FakeBilling()
        self.policy_key = SigningKey.generate()
        self.identity_key = SigningKey.generate()
        self.database_url = database_url
        self.nats_url = nats_url
        self.authority = authority
        self._folder = folder
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
        """A messaging in this process; several may run at once. `overrides` are settings."""
        settings = MessagingSettings(**self._settings(overrides))
        async with AsyncExitStack() as stack:
            server = Server(settings, clock=self.clock)
            await server.start()
            stack.push_async_callback(server.stop, 0)
            service = await stack.enter_async_context(
                messaging(
                    settings,
                    self.billing,
                    VerificationKeys(keys(public(self.identity_key)), clock=self.clock),
                    VerificationKeys(keys(public(self.policy_key)), clock=self.clock),
                    self.clock,
                )
            )
            await server.serve(service)
            tasks = [asyncio.ensure_future(kept_running(work)) for work in service.background]
            try:
                addresses = (str(server.internal_address), str(server.public_address))
                replica = Replica(self, *addresses, stack)
                replica.server = server
                yield replica
            finally:
                await server.stop(0)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    @asynccontextmanager
    async def process(self, **overrides: Any) -> AsyncIterator[Replica]:
        """A messaging in a process of its own, killed in the end.

        With `billing_address` among the overrides it asks there; without, it has a fake of its own.
        """
        specification = {
            "settings": {
                name: str(value) if isinstance(value, Path) else value
                for name, value in self._settings(overrides).items()
            },
            "start": START.isoformat(),
            "clock_file": str(self._folder / "clock"),
            "token_keys": public(self.identity_key),
            "clearance_keys": public(self.policy_key),
            "billing_is_elsewhere": "billing_address" in overrides,
        }
        file = self._folder / f"{secrets.token_hex(4)}.json"
        file.write_text(json.dumps(specification))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.messaging.replica_process", str(file)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            assert process.stdout is not None
            line = await process.stdout.readline()
            if not line:
                raise ReplicaDied
            async with AsyncExitStack() as stack:
                internal_address, public_address = json.loads(line)
                replica = Replica(self, internal_address, public_address, stack)
                replica.pid = process.pid
                yield replica
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _settings(self, overrides: dict[str, Any]) -> dict[str, Any]:
        files = self.authority.identity("messaging")
        return {
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
            **overrides,
        }


class ReplicaDied(Exception):
    """It ended before it served."""


class Replica:
    """One running messaging, and stubs that call it."""

    def __init__(
        self, house: House, internal_address: str, public_address: str, stack: AsyncExitStack
    ) -> None:
        self.house = house
        self.pid = 0
        self.server: Any = None  # of a replica in this process
        self._internal_address = internal_address
        self._public_address = public_address
        self._stack = stack
        self._service_stubs: dict[str, Any] = {}

    async def service(self, name: str = "edge") -> Any:
        """A stub on the internal listener, as this service."""
        if name not in self._service_stubs:
            files = self.house.authority.identity(name)
            tls = TlsFiles(
                files.certificate_file.read_bytes(),
                files.key_file.read_bytes(),
                files.authority_file.read_bytes(),
            )
            channel = connect(self._internal_address, name="messaging", tls=tls, timeout_seconds=20)
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
                self._public_address,
                name="messaging",
                tls=self.house.authority.certificate_file.read_bytes(),
                token=TokenSource(exchange, clock=self.house.clock),
                timeout_seconds=20,
            )
        )

    async def _stub(self, channel: Channel) -> Any:
        await self._stack.enter_async_context(channel)
        stub: Any = messaging_service_pb2_grpc.MessagingServiceStub
        return stub(channel)


def public(key: SigningKey) -> dict[str, str]:
    """A signer's public key by its id, in hexadecimal."""
    return {key.key_id: key.public_bytes.hex()}
