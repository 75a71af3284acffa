"""A running edge: PostgreSQL, TLS, both listeners, tokens; its peers are fakes over real gRPC."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.edge.v1 import edge_service_pb2 as pb
from hudhud.edge.v1.edge_service_pb2_grpc import EdgeServiceStub
from services.ends.edge.app import app
from services.ends.edge.config import EdgeSettings
from services.kit.access import CallerKind
from services.kit.client import connect
from services.kit.clock import new_id
from services.kit.process import kept_running
from services.kit.server import Server
from services.kit.token_source import TokenSource
from services.local.nats import Nats
from tests.ends.fakes.town import Town
from tests.ends.handset import Handset


class House:
    """An edge, and whoever calls it."""

    def __init__(
        self, town: Town, server: Server, settings: EdgeSettings, stack: AsyncExitStack
    ) -> None:
        self.town = town
        self.clock = town.clock
        self.server = server
        self.settings = settings
        self._stack = stack

    async def business(self, business_id: str = "", *, lifetime_seconds: int = 900) -> Any:
        """A stub with a business's token."""
        token = self.town.tokens.sign(
            CallerKind.BUSINESS,
            UUID(business_id or str(uuid4())),
            lifetime_seconds=lifetime_seconds,
        )
        return await self.bearer(token.text)

    async def sealed_count(self, business_id: str) -> int:
        """How many of a business's messages are sealed and not yet confirmed by their devices."""
        connection = await asyncpg.connect(self.settings.database_url)
        try:
            count: int = await connection.fetchval(
                "SELECT sum(unconfirmed_count) FROM sessions WHERE business_id = $1",
                UUID(business_id),
            )
        finally:
            await connection.close()
        return count

    async def bearer(self, text: str | None) -> Any:
        """A stub with this token, or none."""

        async def exchange() -> tuple[str, datetime]:
            assert text is not None
            return text, self.clock.now() + timedelta(days=1000)

        channel = connect(
            str(self.server.public_address),
            name="edge",
            tls=self.town.authority.certificate_file.read_bytes(),
            token=None if text is None else TokenSource(exchange, clock=self.clock),
            timeout_seconds=20,
        )
        await self._stack.enter_async_context(channel)
        stub: Any = EdgeServiceStub
        return stub(channel)


def edge_settings(
    town: Town, database_url: str, nats: Nats, folder: Path, **overrides: Any
) -> EdgeSettings:
    """Settings of an edge that listens on free ports, with its own secrets in `folder`."""
    files = town.authority.identity("edge")
    for name in ("storage", "franking"):
        if not (folder / name).exists():
            (folder / name).write_bytes(secrets.token_bytes(32))
    given: dict[str, Any] = {
        "internal_listen": "127.0.0.1:0",
        "public_listen": "127.0.0.1:0",
        "database_url": database_url,
        "nats_url": nats.url,
        "tls_certificate_file": files.certificate_file,
        "tls_key_file": files.key_file,
        "tls_authority_file": files.authority_file,
        "identity_address": town.internal_address,
        "policy_address": town.internal_address,
        "messaging_address": town.internal_address,
        "edge_storage_key_file": folder / "storage",
        "edge_franking_secret_file": folder / "franking",
    }
    return EdgeSettings(**{**given, **overrides})


@asynccontextmanager
async def running_edge(town: Town, settings: EdgeSettings) -> AsyncIterator[House]:
    """An edge process's worth of an edge."""
    async with AsyncExitStack() as stack:
        server = Server(settings, clock=town.clock)
        await server.start()
        stack.push_async_callback(server.stop, 0)
        service = await stack.enter_async_context(app(settings, town.clock))
        await server.serve(service)
        tasks = [asyncio.ensure_future(kept_running(work)) for work in service.background]
        async with AsyncExitStack() as callers:
            yield House(town, server, settings, callers)
        await server.stop(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def direct(handset: Handset, text: str, **changes: Any) -> pb.OutgoingMessage:
    """A direct message to somebody, by number."""
    given: dict[str, Any] = {
        "message_id": str(new_id()),
        "phone_number": handset.person.phone_number,
        "kind": clearance_pb2.KIND_DIRECT,
        "category": clearance_pb2.CATEGORY_UTILITY,
        "content": content_pb2.Content(text=content_pb2.Text(body=text)),
    }
    return pb.OutgoingMessage(**{**given, **changes})


async def send(stub: Any, message: pb.OutgoingMessage, timeout: float = 20.0) -> pb.SendOutcome:  # noqa: ASYNC109
    """What becomes of one message."""
    request = pb.SendMessageRequest(message=message)
    response: pb.SendMessageResponse = await stub.SendMessage(request, timeout=timeout)
    return response.outcome
