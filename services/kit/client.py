"""Owns calls to a peer: the channel, its credentials, deadlines, and failures as refusals.

Generated stubs take a `Channel` as they take gRPC's own:
`policy = PolicyServiceStub(connect("policy:7001", name="policy", tls=settings.tls_files()))`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, NoReturn

import grpc

from services.kit.backoff import FACTOR, Backoff
from services.kit.config import TlsFiles
from services.kit.errors import CommonReasons, Refusal, peer_refusal, refusal_from_rpc_error
from services.kit.token_source import TokenSource

TIMEOUT_SECONDS = 5.0
# Published in protos/README.md: for calls, and for streams that are opened again.
RETRY_SECONDS_FIRST = 0.05
RETRY_SECONDS_LONGEST = 1.0
MESSAGE_BYTES_MAX = 32 * 1024 * 1024
_OPTIONS = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    # A peer that was restarted is found again within seconds, and at another address too: unless
    # told otherwise, gRPC asks DNS once in 30 seconds, and a new pod has a new address.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
)
# Whatever its name says, so long may a connection take before it is given up. Between services a
# second is much. Others come from far, and many at once when a replica has gone: for them it stays
# at gRPC's 20 seconds, or a busy service would begin handshakes again and again and end none.
_CONNECT_QUICKLY = ("grpc.min_reconnect_backoff_ms", 1000)
# These say that a calling service did something wrong. Its own caller can do nothing about that.
_OUR_MISTAKES = (
    CommonReasons.INVALID_FIELD,
    CommonReasons.INVALID_ENCODING,
    CommonReasons.TOKEN_MISSING,
    CommonReasons.TOKEN_EXPIRED,
    CommonReasons.TOKEN_INVALID,
    CommonReasons.CALLER_NOT_ALLOWED,
    CommonReasons.METHOD_UNKNOWN,
    CommonReasons.DEADLINE_MISSING,
)


class PeerFault(Exception):
    """A peer refused a call of this service as one that should not have been made."""


def connect(
    address: str,
    *,
    name: str,
    tls: TlsFiles | bytes | None = None,
    token: TokenSource | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    retried: Sequence[str] = (),
    wait_for_ready: bool = True,
    host_name: str = "",
) -> Channel:
    """A channel to the peer `name` at `address` (host:port; calls go round all its addresses).

    `tls` is, between services, this process's files (mutual TLS); for other clients the authority's
    certificate in PEM, or None for the authorities of this machine. `token` is sent with each call.
    Calls of the `retried` methods ("package.Service" or "package.Service/Method"), which must be
    safe to repeat, are repeated when the peer is UNAVAILABLE. With `wait_for_ready` a call waits,
    within its deadline, for a peer that is not there yet. `host_name` is what the peer's
    certificate says, where `address` does not.
    """
    is_service = isinstance(tls, TlsFiles)
    if isinstance(tls, TlsFiles):
        credentials = grpc.ssl_channel_credentials(tls.authority, tls.key, tls.certificate)
    else:
        credentials = grpc.ssl_channel_credentials(tls)
    options = [*_OPTIONS, ("grpc.service_config", service_config(retried))]
    if is_service:
        options.append(_CONNECT_QUICKLY)
    if host_name:
        options.append(("grpc.ssl_target_name_override", host_name))
    channel = grpc.aio.secure_channel(address, credentials, options=options)
    return Channel(
        channel,
        name=name,
        token=token,
        timeout_seconds=timeout_seconds,
        wait_for_ready=wait_for_ready,
        is_service=is_service,
    )


def backoff() -> Backoff:
    """The pauses that are published, for a loop of a client's that goes on after them."""
    return Backoff(RETRY_SECONDS_FIRST, RETRY_SECONDS_LONGEST)


def service_config(retried: Sequence[str]) -> str:
    """Round robin, and up to four attempts for the given methods (gRFC A6)."""
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if retried:
        names = []
        for method in retried:
            service, slash, rpc = method.partition("/")
            names.append({"service": service, "method": rpc} if slash else {"service": service})
        config["methodConfig"] = [
            {
                "name": names,
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": f"{RETRY_SECONDS_FIRST}s",
                    "maxBackoff": f"{RETRY_SECONDS_LONGEST:g}s",
                    "backoffMultiplier": FACTOR,
                    # A server that stops answers CANCELLED to calls that its code never saw.
                    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
                },
            }
        ]
    return json.dumps(config)


class Channel:
    """A connection to one peer, for generated stubs.

    A unary call has a deadline (`timeout`, else the channel's) and raises `Refusal`. A stream has
    one only if `timeout` is given; it is a `Stream`.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        name: str,
        token: TokenSource | None,
        timeout_seconds: float,
        wait_for_ready: bool,
        is_service: bool,
    ) -> None:
        self._channel: Any = channel
        self._name = name
        self._token = token
        self._timeout_seconds = timeout_seconds
        self._wait_for_ready = wait_for_ready
        self._is_service = is_service

    async def __aenter__(self) -> Channel:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        await self._channel.close()

    async def ready(self) -> None:
        """Return once connected."""
        await self._channel.channel_ready()

    def unary_unary(
        self, method: str, request_serializer: Any, response_deserializer: Any, **_: Any
    ) -> Callable[..., Awaitable[Any]]:
        """What a stub makes of a unary RPC."""
        start = self._channel.unary_unary(method, request_serializer, response_deserializer)
        note = f"waiting for {self._name} ({method.rpartition('/')[2]})"

        async def call(
            request: Any,
            timeout: float | None = None,  # noqa: ASYNC109 - as gRPC's own calls have it
            metadata: Any = None,
        ) -> Any:
            try:
                return await start(
                    request,
                    timeout=self._timeout_seconds if timeout is None else timeout,
                    metadata=metadata if self._token is None else await self.metadata(metadata),
                    wait_for_ready=self._wait_for_ready,
                )
            except grpc.aio.AioRpcError as error:
                self.fail(method, error)
            except asyncio.CancelledError as error:
                # Where a deadline of ours caused this, its refusal says what was waited for.
                error.add_note(note)
                raise

        if self._token is None:
            return call

        async def call_again(
            request: Any,
            timeout: float | None = None,  # noqa: ASYNC109 - as above
            metadata: Any = None,
        ) -> Any:
            try:
                return await call(request, timeout, metadata)
            except Refusal as refusal:
                # Refused before anything was done: once more, with a fresh token.
                if refusal.has(CommonReasons.TOKEN_EXPIRED, CommonReasons.TOKEN_INVALID):
                    return await call(request, timeout, metadata)
                raise

        return call_again

    def unary_stream(
        self, method: str, request_serializer: Any, response_deserializer: Any, **_: Any
    ) -> Callable[..., Stream]:
        """What a stub makes of an RPC that answers with a stream."""
        start = self._channel.unary_stream(method, request_serializer, response_deserializer)
        return self._stream(method, start)

    def stream_unary(
        self, method: str, request_serializer: Any, response_deserializer: Any, **_: Any
    ) -> Callable[..., Stream]:
        """What a stub makes of an RPC that takes a stream; await the `Stream` for the answer."""
        start = self._channel.stream_unary(method, request_serializer, response_deserializer)
        return self._stream(method, start)

    def stream_stream(
        self, method: str, request_serializer: Any, response_deserializer: Any, **_: Any
    ) -> Callable[..., Stream]:
        """What a stub makes of an RPC with streams in both directions."""
        start = self._channel.stream_stream(method, request_serializer, response_deserializer)
        return self._stream(method, start)

    def _stream(self, method: str, start: Callable[..., Any]) -> Callable[..., Stream]:
        def call(
            requests: Any = None, timeout: float | None = None, metadata: Any = None
        ) -> Stream:
            async def begin() -> Any:
                begun = start(
                    requests,
                    timeout=timeout,
                    metadata=metadata if self._token is None else await self.metadata(metadata),
                    wait_for_ready=self._wait_for_ready,
                )
                begun._cython_call = _Patient(begun._cython_call)  # noqa: SLF001 - see there
                return begun

            return Stream(self, method, begin)

        return call

    async def metadata(self, given: Any) -> Any:
        """The metadata of a call: what is given, and the token."""
        assert self._token is not None
        return (*(given or ()), ("authorization", f"Bearer {await self._token.text()}"))

    def fail(self, method: str, error: grpc.aio.AioRpcError) -> NoReturn:
        """Raise what a failed call means here."""
        own = peer_refusal(error)
        refusal = own or refusal_from_rpc_error(error, self._name)
        if self._token is not None and refusal.has(
            CommonReasons.TOKEN_EXPIRED, CommonReasons.TOKEN_INVALID
        ):
            self._token.forget()
        if self._is_service and refusal.has(*_OUR_MISTAKES):
            raise PeerFault(f"{self._name} refused our {method}: {refusal}") from error
        if (
            own is None
            and refusal.has(CommonReasons.DEADLINE_EXCEEDED)
            and self._channel.get_state() is not grpc.ChannelConnectivity.READY
        ):
            # The deadline went by while waiting for a connection.
            raise Refusal(
                CommonReasons.DEPENDENCY_UNAVAILABLE,
                f"{self._name} cannot be reached.",
                metadata={"peer": self._name},
                retry_after_seconds=1,
            ) from error
        raise refusal from error


class _Patient:
    """Waits for the status of a call whose write failed.

    When the peer ends a stream, a write may fail before the status is there. grpc.aio then makes
    up the status INTERNAL and drops the real one, which says why and arrives a moment later.
    """

    def __init__(self, call: Any) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def set_internal_error(self, error: str) -> None:
        """Nothing is made up."""


class Stream:
    """A streaming call. Iterate over it, or `read` (None at the end) and `write` frame by frame;
    leaving `async with` cancels it. Its failure is raised as `Refusal`.
    """

    def __init__(self, channel: Channel, method: str, begin: Callable[[], Awaitable[Any]]) -> None:
        self._channel = channel
        self._method = method
        self._begin = begin
        self._beginning = asyncio.Lock()
        self._call: Any = None

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()

    def __await__(self) -> Any:
        return self._result().__await__()

    async def __aiter__(self) -> AsyncIterator[Any]:
        call = await self._begun()
        try:
            async for frame in call:
                yield frame
        except grpc.aio.AioRpcError as error:
            self._channel.fail(self._method, error)

    async def read(self) -> Any:
        """The next frame, or None when the peer has ended the stream well."""
        call = await self._begun()
        try:
            frame = await call.read()
        except grpc.aio.AioRpcError as error:
            self._channel.fail(self._method, error)
        return None if frame is grpc.aio.EOF else frame

    async def write(self, frame: Any) -> None:
        """Send a frame. Raises EOFError if the peer has ended the stream well."""
        call = await self._begun()
        try:
            await call.write(frame)
        except grpc.aio.AioRpcError as error:
            self._channel.fail(self._method, error)
        except asyncio.InvalidStateError as error:
            if await call.code() is not grpc.StatusCode.OK:
                await self.read()  # raises why
            raise EOFError(f"{self._method}: the peer has ended the stream") from error

    async def done_writing(self) -> None:
        """Say that no frame follows."""
        await (await self._begun()).done_writing()

    def cancel(self) -> None:
        """End the call from this side."""
        if self._call is not None:
            self._call.cancel()

    async def _begun(self) -> Any:
        # Reader and writer may both be first, and getting a token takes time: one call for both.
        async with self._beginning:
            if self._call is None:
                self._call = await self._begin()
        return self._call

    async def _result(self) -> Any:
        try:
            return await (await self._begun())
        except grpc.aio.AioRpcError as error:
            self._channel.fail(self._method, error)
