"""A service that does what it is told, on both listeners, for the tests of the kit."""

import asyncio
import importlib
import logging
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_tools import protoc

from services.kit import rules
from services.kit.access import AccessList, CallerKind, current_caller
from services.kit.client import Channel, connect
from services.kit.clock import ManualClock
from services.kit.coalesce import Overloaded
from services.kit.config import ServiceSettings, TlsFiles
from services.kit.errors import STATUS_DETAILS_KEY, Reason, Reasons, Refusal
from services.kit.server import Server, Service
from services.kit.signing import SigningKey
from services.kit.tokens import TokenSigner, TokenVerifier
from services.kit.verification_keys import VerificationKeys
from services.local.certificates import Authority

log = logging.getLogger(__name__)

PROTOS = Path(__file__).parents[2] / "protos"
BUSINESS_ID = UUID("01970000-0000-7000-8000-000000000001")
PERSON_ID = UUID("01970000-0000-7000-8000-000000000002")
DEVICE_ID = UUID("01970000-0000-7000-8000-000000000003")
SERVICE = "probe.v1.ProbeService"


def _compile() -> tuple[Any, Any]:
    with tempfile.TemporaryDirectory(prefix="hudhud-probe-") as target:
        _protoc(target)
        sys.path.append(target)
        try:
            return importlib.import_module("probe_pb2"), importlib.import_module("probe_pb2_grpc")
        finally:
            sys.path.remove(target)


def _protoc(target: str) -> None:
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={Path(__file__).parent}",
            f"--proto_path={PROTOS}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            "probe.proto",
        ]
    )
    assert status == 0


pb: Any
stubs: Any
pb, stubs = _compile()


class ProbeReasons(Reasons, domain="probe.hudhud"):
    REFUSED = Reason(grpc.StatusCode.FAILED_PRECONDITION, "It was to be refused.", "Ask nicely.")


ACCESS = AccessList.parse(
    {
        SERVICE: {
            "Act": ["business", "service:edge"],
            "ActForDevice": ["device"],
            "ActForAnyone": ["anyone"],
            "Forget": ["service:edge"],
            "Count": ["business", "device", "service:edge"],
            "Converse": ["business", "service:edge"],
            "Batch": ["service:edge"],
            "Collect": ["service:edge"],
        }
    }
)


class ProbeServicer(stubs.ProbeServiceServicer):  # type: ignore[misc]
    """Obeys the text of each request; `entered` and `release` are for "wait"."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def Act(self, request: Any, context: Any) -> Any:
        match request.text:
            case "refuse":
                raise Refusal(ProbeReasons.REFUSED, metadata={"key": "value"})
            case "refuse in a group":
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self.Act(pb.ActRequest(text="refuse"), context))
            case "fail":
                raise RuntimeError("the secret 4711")
            case "overload":
                raise Overloaded
            case "nothing":
                return None
            case "time out by itself":
                raise TimeoutError
            case "act for another":
                current_caller().must_act_for(PERSON_ID)
            case "take half a second":
                log.info("taking half a second")
                await asyncio.sleep(0.5)
            case "wait":
                self.entered.set()
                try:
                    await self.release.wait()
                except asyncio.CancelledError:
                    self.cancelled.set()
                    raise
        return pb.ActResponse(text=request.text, caller=str(current_caller()))

    ActForDevice = Act
    ActForAnyone = Act

    async def Count(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for number in range(request.count):
            yield await self.Act(pb.ActRequest(text=str(number)), context)
        if request.count > 10:
            await self.Act(pb.ActRequest(text="wait"), context)

    async def Converse(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield await self.Act(request, context)

    @rules.judged_apart("items")
    async def Batch(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield pb.BatchResponse(
                outcomes=["bad" if rules.violations(item) else "good" for item in request.items]
            )

    async def Collect(self, requests: AsyncIterator[Any], context: Any) -> Any:
        texts = [(await self.Act(request, context)).text async for request in requests]
        return pb.ActResponse(text="+".join(texts))


class Probe:
    """A running probe service and ways to call it."""

    def __init__(
        self, authority: Authority, stack: AsyncExitStack, settings: ServiceSettings
    ) -> None:
        self._authority = authority
        self._stack = stack
        self.clock = ManualClock(datetime.now(UTC))
        self.servicer: Any = ProbeServicer()
        self.key = SigningKey.generate()
        self.tokens = TokenSigner(self.key, clock=self.clock)
        self.server = Server(settings, access=ACCESS, clock=self.clock)

    async def fetch_keys(self) -> dict[str, bytes]:
        return {self.key.key_id: self.key.public_bytes}

    def service(self) -> Service:
        verifier = TokenVerifier(
            VerificationKeys(self.fetch_keys, clock=self.clock), clock=self.clock
        )
        return Service([(stubs.add_ProbeServiceServicer_to_server, self.servicer)], verifier)

    def token(self, kind: CallerKind = CallerKind.BUSINESS, lifetime_seconds: int = 900) -> str:
        if kind is CallerKind.DEVICE:
            return self.tokens.sign(
                kind,
                PERSON_ID,
                lifetime_seconds=lifetime_seconds,
                device_id=DEVICE_ID,
                country="SY",
            ).text
        return self.tokens.sign(kind, BUSINESS_ID, lifetime_seconds=lifetime_seconds).text

    async def internal(self, name: str = "edge") -> Channel:
        """A channel of the service `name`."""
        assert self.server.internal_address is not None
        return await self._stack.enter_async_context(
            connect(str(self.server.internal_address), name="probe", tls=tls(self._authority, name))
        )

    async def public(self) -> Channel:
        """A channel without a certificate."""
        assert self.server.public_address is not None
        authority = self._authority.certificate_file.read_bytes()
        return await self._stack.enter_async_context(
            connect(str(self.server.public_address), name="probe", tls=authority)
        )

    def bare(self, *, with_certificate: bool = True) -> grpc.aio.Channel:
        """grpc.aio's own channel to the internal listener: no deadlines, errors as they come."""
        files = tls(self._authority, "edge")
        credentials = (
            grpc.ssl_channel_credentials(files.authority, files.key, files.certificate)
            if with_certificate
            else grpc.ssl_channel_credentials(files.authority)
        )
        return grpc.aio.secure_channel(str(self.server.internal_address), credentials)


@asynccontextmanager
async def running_probe(
    authority: Authority,
    *,
    serve: bool = True,
    servicer: Any = None,
    **more_settings: Any,
) -> AsyncIterator[Probe]:
    """A probe service that is ready (or, without `serve`, starting), and stopped afterwards."""
    async with AsyncExitStack() as stack:
        probe = Probe(authority, stack, settings(authority, **more_settings))
        probe.servicer = servicer or probe.servicer
        await probe.server.start()
        stack.push_async_callback(probe.server.stop, 0)
        if serve:
            await probe.server.serve(probe.service())
        yield probe


def settings(authority: Authority, **more: Any) -> ServiceSettings:
    """Settings of a process that listens on any free ports."""
    identity = authority.identity("probe")
    return ServiceSettings(
        **{
            "internal_listen": "127.0.0.1:0",
            "public_listen": "127.0.0.1:0",
            "database_url": "none",
            "nats_url": "none",
            "tls_certificate_file": identity.certificate_file,
            "tls_key_file": identity.key_file,
            "tls_authority_file": identity.authority_file,
            **more,
        }
    )


def tls(authority: Authority, name: str) -> TlsFiles:
    identity = authority.identity(name)
    return TlsFiles(
        identity.certificate_file.read_bytes(),
        identity.key_file.read_bytes(),
        identity.authority_file.read_bytes(),
    )


def bearer(token: str) -> tuple[tuple[str, str]]:
    return (("authorization", f"Bearer {token}"),)


def only_error_info(error: grpc.aio.AioRpcError) -> Any:
    """The one ErrorInfo of a status; fails if there is none or more than one."""
    details = dict(error.trailing_metadata() or ())[STATUS_DETAILS_KEY]
    assert isinstance(details, bytes)
    status = status_pb2.Status.FromString(details)
    assert status.code == error.code().value[0]
    infos = []
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            infos.append(info)
    assert len(infos) == 1
    return infos[0]
