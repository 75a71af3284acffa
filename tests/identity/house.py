"""A real identity for tests: PostgreSQL, TLS, both listeners, tokens; only the time is ours."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hudhud.identity.v1 import identity_service_pb2 as pb
from hudhud.identity.v1 import identity_service_pb2_grpc
from services.identity.app import app
from services.identity.config import IdentitySettings
from services.kit.client import connect
from services.kit.clock import ManualClock
from services.kit.config import TlsFiles
from services.kit.server import Server
from services.kit.signing import SigningKey
from services.kit.token_source import TokenSource
from services.local.certificates import Authority
from tests.identity.parties import PhoneNumbers


class House:
    """A running identity, and whoever calls it."""

    def __init__(
        self,
        settings: IdentitySettings,
        server: Server,
        authority: Authority,
        clock: ManualClock,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.numbers = PhoneNumbers()
        self._server = server
        self._authority = authority
        self._channels = AsyncExitStack()

    async def anyone(self) -> Any:
        """A stub on the public listener, without a token."""
        return await self.bearer(None)

    async def operator(self) -> Any:
        """A stub on the public listener, as the operator."""
        return await self.holder(self.settings.operator_credential_file.read_text().strip())

    async def holder(self, api_key: str) -> Any:
        """A stub on the public listener, as whom this API key belongs to."""
        anyone = await self.anyone()

        async def exchange() -> tuple[str, datetime]:
            response = await anyone.ExchangeApiKey(pb.ExchangeApiKeyRequest(secret=api_key))
            return response.access_token.token, expire_time(response.access_token)

        return await self.bearer(TokenSource(exchange, clock=self.clock))

    async def device(self, device_id: str, credential: str) -> Any:
        """A stub on the public listener, as this device."""
        anyone = await self.anyone()
        request = pb.ExchangeDeviceCredentialRequest(
            device_id=device_id, device_credential=credential
        )

        async def exchange() -> tuple[str, datetime]:
            response = await anyone.ExchangeDeviceCredential(request)
            return response.access_token.token, expire_time(response.access_token)

        return await self.bearer(TokenSource(exchange, clock=self.clock))

    async def bearer(self, token: TokenSource | None) -> Any:
        """A stub on the public listener, with this token."""
        authority = self._authority.certificate_file.read_bytes()
        return await self._stub(self._server.public_address, authority, token)

    async def service(self, name: str) -> Any:
        """A stub on the internal listener, as this service."""
        files = self._authority.identity(name)
        tls = TlsFiles(
            files.certificate_file.read_bytes(),
            files.key_file.read_bytes(),
            files.authority_file.read_bytes(),
        )
        return await self._stub(self._server.internal_address, tls, None)

    def code_sent_to(self, phone_number: str) -> str:
        """The newest code that came to this phone (E.164)."""
        assert self.settings.code_file is not None
        lines = self.settings.code_file.read_text().splitlines()
        messages = [json.loads(line) for line in lines]
        return str([m["code"] for m in messages if m["phone_number"] == phone_number][-1])

    async def hang_up(self) -> None:
        """Closes every channel opened so far: a test session may have only so many open files."""
        await self._channels.aclose()

    async def _stub(self, address: Any, tls: Any, token: TokenSource | None) -> Any:
        channel = connect(str(address), name="identity", tls=tls, token=token, timeout_seconds=20)
        await self._channels.enter_async_context(channel)
        stub: Any = identity_service_pb2_grpc.IdentityServiceStub
        return stub(channel)


@asynccontextmanager
async def running_identity(
    database_url: str, authority: Authority, folder: Path, clock: ManualClock, **overrides: Any
) -> AsyncIterator[House]:
    """An identity with its own secrets in `folder`, made unless they are there."""
    settings = identity_settings(database_url, authority, folder, **overrides)
    async with AsyncExitStack() as stack:
        server = Server(settings, clock=clock)
        await server.start()
        stack.push_async_callback(server.stop, 0)
        await server.serve(await stack.enter_async_context(app(settings, clock)))
        house = House(settings, server, authority, clock)
        stack.push_async_callback(house.hang_up)
        yield house


def identity_settings(
    database_url: str, authority: Authority, folder: Path, **overrides: Any
) -> IdentitySettings:
    """Settings of an identity that listens on free ports and sends codes to a file."""
    files = authority.identity("identity")
    signing_key_file = folder / "token-signing.pem"
    if not signing_key_file.exists():
        signing_key_file.write_bytes(SigningKey.generate().to_pem())
        (folder / "pairwise.hex").write_text(secrets.token_hex(64))
    given: dict[str, Any] = {
        "internal_listen": "127.0.0.1:0",
        "public_listen": "127.0.0.1:0",
        "database_url": database_url,
        "tls_certificate_file": files.certificate_file,
        "tls_key_file": files.key_file,
        "tls_authority_file": files.authority_file,
        "pairwise_secret_file": folder / "pairwise.hex",
        "token_signing_key_file": signing_key_file,
        "operator_credential_file": folder / "operator-credential",
        "code_sender": "file",
        "code_file": folder / "codes.jsonl",
        "registrations_per_minute_max": 100_000,
    }
    return IdentitySettings(**{**given, **overrides})


def expire_time(token: pb.AccessToken) -> datetime:
    """When the token ends."""
    return token.expire_time.ToDatetime(UTC)
