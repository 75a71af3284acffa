"""Owns the two doors of a service process: the internal listener (mutual TLS, the caller is the
service that the certificate names) and the public one (TLS, the caller is whom the token names).
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from services.kit import health
from services.kit.access import ANYONE, AccessList, Caller, CallerKind, Rule
from services.kit.calls import Context, Gate, Guard, Handler, Identify
from services.kit.clock import Clock, SystemClock
from services.kit.config import Address, ServiceSettings
from services.kit.errors import CommonReasons, Refusal, abort
from services.kit.tokens import TokenVerifier

INTERNAL_MESSAGE_BYTES_MAX = 32 * 1024 * 1024
PUBLIC_MESSAGE_BYTES_MAX = 8 * 1024 * 1024
PROBE_BYTES_MAX = 4096
PROBES_IN_FLIGHT_MAX = 100
_OPTIONS = (
    # A dead peer is noticed within 80 seconds; a live one may ask as often as every ten.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # Clients come to know new replicas when they connect anew: within this time a replica that was
    # added gets its share of the calls. Streams live on until they end.
    ("grpc.max_connection_age_ms", 300_000),
)

# What protoc generates: add_PolicyServiceServicer_to_server(servicer, server).
AddServicer = Callable[[Any, Any], None]


@dataclass(frozen=True)
class Service:
    """What a process serves; made by the service's `app.py`."""

    servicers: Sequence[tuple[AddServicer, object]]
    # Reads the tokens of the public listener. None: only what is open to anyone is served there.
    tokens: TokenVerifier | None = None
    # Work beside the calls, such as the outbox's relay; restarted when it fails.
    background: Sequence[Callable[[], Awaitable[None]]] = ()


class AddressTaken(Exception):
    """Somebody else listens there already, or the address is not this machine's."""

    def __init__(self, address: Address) -> None:
        super().__init__(
            f"Cannot listen on {address}: another process does, or the address is not one of "
            "this machine's. Stop that process or choose another port (0: any free one)."
        )


class Server:
    """The listeners of a process. `start`, then `serve` when the service is ready, then `stop`."""

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        access: AccessList | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._access = access or AccessList.load()
        self._clock = clock or SystemClock()
        self._gate = Gate(self._clock, settings.calls_in_flight_max)
        self._health = health.Health()
        self._internal: _Listener | None = None
        self._public: _Listener | None = None
        self._probes: _Listener | None = None
        self.internal_address: Address | None = None
        self.public_address: Address | None = None
        self.health_address: Address | None = None

    async def start(self) -> None:
        """Listen. Until `serve` is called, health says NOT_SERVING and calls are refused with
        STARTING. Raises AddressTaken.
        """
        tls = self._settings.tls_files()
        pairs = [(tls.key, tls.certificate)]
        if self._settings.internal_listen is not None:
            self._internal = _Listener(INTERNAL_MESSAGE_BYTES_MAX, self._settings)
            self.internal_address = self._internal.bind(
                self._settings.internal_listen,
                grpc.ssl_server_credentials(pairs, tls.authority, require_client_auth=True),
            )
        if self._settings.public_listen is not None:
            self._public = _Listener(PUBLIC_MESSAGE_BYTES_MAX, self._settings)
            self.public_address = self._public.bind(
                self._settings.public_listen, grpc.ssl_server_credentials(pairs)
            )
        if self._settings.health_listen is not None:
            self._probes = _Listener(PROBE_BYTES_MAX, self._settings)
            self.health_address = self._probes.bind(self._settings.health_listen, None)
            self._probes.open(
                _handlers(health_pb2_grpc.add_HealthServicer_to_server, self._health),
                self._access,
                # Probes are answered however many calls there are, and to the end.
                Guard(Gate(self._clock, PROBES_IN_FLIGHT_MAX), identify_nobody),
            )
            await self._probes.start()
        for listener, identify in self._doors(None):
            # Nobody needs to be known to ask whether the process is well.
            listener.open(
                _handlers(health_pb2_grpc.add_HealthServicer_to_server, self._health),
                self._access,
                Guard(self._gate, identify),
            )
            await listener.start()

    async def serve(self, service: Service) -> None:
        """Answer calls. Raises ValueError if the access file does not list one of the RPCs, or if
        a field rule does not fit its field.
        """
        handlers: dict[str, Handler] = {}
        for add_servicer, servicer in service.servicers:
            handlers.update(_handlers(add_servicer, servicer))
        self._access.require_all(handlers)
        names = sorted({method.partition("/")[0] for method in handlers})
        handlers.update(
            _handlers(
                reflection_pb2_grpc.add_ServerReflectionServicer_to_server,
                reflection.aio.ReflectionServicer([*names, health.SERVICE_NAME]),
            )
        )
        for listener, identify in self._doors(service.tokens):
            listener.open(handlers, self._access, Guard(self._gate, identify))
            listener.ready = True
        await self._health.serving(names)

    async def stop(self, grace_seconds: float) -> None:
        """Say NOT_SERVING, end streams, take no further calls, and let those in flight finish for
        at most `grace_seconds`. Stopping twice changes nothing.
        """
        await self._health.stopping()
        self._gate.close()
        await asyncio.gather(*(listener.stop(grace_seconds) for listener, _ in self._doors(None)))
        if self._probes is not None:
            await self._probes.stop(0)

    @property
    def calls_in_flight(self) -> int:
        """How many unary calls are being served."""
        return self._gate.in_flight

    def _doors(self, tokens: TokenVerifier | None) -> list[tuple[_Listener, Identify]]:
        """Each listener, with how it knows who calls."""
        doors: list[tuple[_Listener, Identify]] = []
        if self._internal is not None:
            doors.append((self._internal, identify_by_certificate))
        if self._public is not None:
            doors.append((self._public, functools.partial(identify_by_token, tokens)))
        return doors


class _Listener:
    """One address, and the methods it answers to."""

    def __init__(self, message_bytes_max: int, settings: ServiceSettings) -> None:
        self.ready = False
        self._handlers: dict[str, Any] = {}
        self._missing: Any = grpc.stream_stream_rpc_method_handler(self._refuse)
        self._server = grpc.aio.server(
            handlers=(_Routes(self._handlers, self._missing),),
            options=(
                *_OPTIONS,
                ("grpc.so_reuseport", int(settings.share_port)),
                ("grpc.max_receive_message_length", message_bytes_max),
            ),
        )

    def bind(self, address: Address, credentials: grpc.ServerCredentials | None) -> Address:
        """Take the address; with port 0, any free port, which the answer names."""
        try:
            if credentials is None:
                port = self._server.add_insecure_port(str(address))
            else:
                port = self._server.add_secure_port(str(address), credentials)
        except RuntimeError as error:
            raise AddressTaken(address) from error
        return Address(address.host, port)

    def open(self, handlers: Mapping[str, Handler], access: AccessList, guard: Guard) -> None:
        """Answer to these methods from now on."""
        for method, handler in handlers.items():
            self._handlers["/" + method] = guard.wrap(method, handler, access.rule(method))

    async def start(self) -> None:
        await self._server.start()

    async def stop(self, grace_seconds: float) -> None:
        await self._server.stop(grace_seconds)

    async def _refuse(self, _: Any, context: Context) -> None:
        if self.ready:
            await abort(context, Refusal(CommonReasons.METHOD_UNKNOWN))
        await abort(context, Refusal(CommonReasons.STARTING, retry_after_seconds=1))


class _Routes(grpc.GenericRpcHandler):
    """Finds the handler of a method by one look into a dictionary."""

    def __init__(self, handlers: Mapping[str, Any], missing: Any) -> None:
        self._handlers = handlers
        self._missing = missing

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handlers.get(handler_call_details.method, self._missing)


class _Registration:
    """Stands in for a server where generated code registers a servicer's methods."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        self.handlers.update(
            {f"{service}/{method}": handler for method, handler in handlers.items()}
        )

    def add_generic_rpc_handlers(self, _: object) -> None:
        """The same methods again, in the older form."""


def _handlers(add_servicer: AddServicer, servicer: object) -> dict[str, Handler]:
    """The handlers of a servicer by method, "package.Service/Method"."""
    registration = _Registration()
    add_servicer(servicer, registration)
    return registration.handlers


@functools.lru_cache(maxsize=256)  # as many as there are services, and to spare
def _service_caller(name: bytes) -> Caller:
    return Caller(CallerKind.SERVICE, service=name.decode())


async def identify_nobody(_: Context, __: Rule) -> Caller:
    """Whoever it is."""
    return ANYONE


async def identify_by_certificate(context: Context, _: Rule) -> Caller:
    """The service that the peer's certificate names; TLS has verified the certificate."""
    for name in context.auth_context().get("x509_common_name", ()):
        return _service_caller(name)
    return ANYONE


async def identify_by_token(tokens: TokenVerifier | None, context: Context, rule: Rule) -> Caller:
    """Whom the bearer token names. A call that is open to anyone needs none, and one that is open
    to anyone alone does not look at it: a token is often renewed while the old one is sent along.
    """
    if not rule.reads_tokens:
        return ANYONE
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            scheme, _, token = str(value).partition(" ")
            if scheme.lower() != "bearer" or not token or tokens is None:
                raise Refusal(
                    CommonReasons.TOKEN_INVALID, 'The metadata is not "authorization: Bearer ...".'
                )
            return await tokens.caller(token.strip())
    if rule.for_anyone:
        return ANYONE
    raise Refusal(CommonReasons.TOKEN_MISSING)
