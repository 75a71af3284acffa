"""Owns what happens around every call: who calls, until when, with what, and how it may fail.

Each method is wrapped once, when the server starts; a call then passes one function, which in this
order asks who is calling and whether they may, demands a deadline, parses and checks the request,
runs the servicer's method, and turns whatever it raises into one status.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeAlias

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from services.kit import rules
from services.kit.access import Caller, Rule, set_current_caller
from services.kit.clock import Clock, new_id
from services.kit.coalesce import Overloaded
from services.kit.errors import CommonReasons, Refusal, abort, internal_refusal, refusal_within
from services.kit.metrics import count_call

log = logging.getLogger(__name__)

# Kept back from the caller's deadline, so that there is time to say what timed out.
DEADLINE_MARGIN_SECONDS = 0.02
OVERLOADED_RETRY_SECONDS = 0.5

# Says who calls, given what the access list says of the method. Raises a Refusal for a bad token.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Identify = Callable[["Context", Rule], Awaitable[Caller]]


class Gate:
    """What all calls of a process share: how many there are, and whether it is closing."""

    def __init__(self, clock: Clock, in_flight_max: int) -> None:
        self.clock = clock
        self.in_flight = 0
        self.in_flight_max = in_flight_max
        self.closing = False
        self.streams: set[asyncio.Timeout] = set()

    def limit(self, seconds: float | None) -> asyncio.Timeout:
        """The limit of a stream: `seconds` from now, or when the gate closes."""
        limit = asyncio.timeout(0 if self.closing else seconds)
        self.streams.add(limit)
        return limit

    def close(self) -> None:
        """End every stream now; calls in flight go on."""
        self.closing = True
        now = asyncio.get_running_loop().time()
        for limit in self.streams:
            limit.reschedule(now)


class Guard:
    """Wraps methods for one listener."""

    def __init__(self, gate: Gate, identify: Identify) -> None:
        self._gate = gate
        self._identify = identify

    def wrap(self, method: str, handler: Handler, rule: Rule) -> Any:
        """The handler to serve `package.Service/Method` with. Raises ValueError for field rules
        that make no sense.
        """
        any_handler: Any = handler
        behaviour: Callable[[Any, Any], Any] = (
            any_handler.unary_unary
            or any_handler.unary_stream
            or any_handler.stream_unary
            or any_handler.stream_stream
        )
        parse = self._parser(method, getattr(behaviour, "judged_apart", ""))
        serialize = any_handler.response_serializer
        if any_handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(method, behaviour, rule, parse, serialize)
            )
        wrapped = self._stream(
            method, behaviour, rule, None if any_handler.request_streaming else parse
        )
        if not any_handler.request_streaming:
            return grpc.unary_stream_rpc_method_handler(wrapped, None, serialize)
        if any_handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(wrapped, parse, serialize)
        return grpc.stream_unary_rpc_method_handler(wrapped, parse, serialize)

    def _parser(self, method: str, apart: str) -> Callable[[bytes], Any]:
        """Parses a request and enforces its field rules. Raises a Refusal."""
        service_name, _, method_name = method.partition("/")
        service = descriptor_pool.Default().FindServiceByName(service_name)
        request_type = service.methods_by_name[method_name].input_type
        from_string = message_factory.GetMessageClass(request_type).FromString
        check = rules.compiled(request_type, apart)

        def parse(raw: bytes) -> Any:
            try:
                request = from_string(raw)
            except DecodeError as error:
                raise Refusal(CommonReasons.INVALID_ENCODING) from error
            if check is not None:
                found: list[Any] = []
                check(request, found)
                if found:
                    raise rules.refusal(found)
            return request

        return parse

    async def _admit(self, method: str, rule: Rule, context: Context) -> Caller:
        caller = await self._identify(context, rule)
        if not rule.admits(caller):
            raise Refusal(
                CommonReasons.CALLER_NOT_ALLOWED,
                f"{caller.kind.capitalize()} may not call {method}.",
                metadata={"method": method},
            )
        set_current_caller(caller)
        return caller

    def _unary(
        self,
        method: str,
        behaviour: Callable[[Any, Any], Any],
        rule: Rule,
        parse: Callable[[bytes], Any],
        serialize: Callable[[Any], bytes],
    ) -> Callable[[bytes, Any], Awaitable[bytes]]:
        gate = self._gate

        async def unary(raw: bytes, context: Any) -> bytes:
            started = time.perf_counter()
            caller: Caller | None = None
            try:
                caller = await self._admit(method, rule, context)
                remaining = context.time_remaining()
                if remaining is None:
                    raise Refusal(CommonReasons.DEADLINE_MISSING)
                if gate.in_flight >= gate.in_flight_max:
                    raise Overloaded
                request = parse(raw)
                gate.in_flight += 1
                limit = asyncio.timeout(seconds_to_work(remaining))
                try:
                    async with limit:
                        response = serialize(await behaviour(request, context))
                    count_call(method, "OK", "", started)
                    return response
                except TimeoutError as error:
                    if limit.expired():
                        raise _deadline_exceeded(method, remaining, error) from error
                    raise
                finally:
                    gate.in_flight -= 1
            except asyncio.CancelledError:
                count_call(method, "CANCELLED", "", started)
                raise
            except Exception as error:
                await _fail(context, method, caller, error, started)

        return unary

    def _stream(
        self,
        method: str,
        behaviour: Callable[[Any, Any], Any],
        rule: Rule,
        parse: Callable[[bytes], Any] | None,
    ) -> Callable[[Any, Any], Awaitable[Any]]:
        gate = self._gate

        async def stream(request: Any, context: Any) -> Any:
            started = time.perf_counter()
            caller: Caller | None = None
            try:
                caller = await self._admit(method, rule, context)
                if parse is not None:
                    request = parse(request)
                remaining = context.time_remaining()
                deadline = None if remaining is None else seconds_to_work(remaining)
                token_seconds = self._token_seconds(caller)
                seconds = min(
                    (given for given in (deadline, token_seconds) if given is not None),
                    default=None,
                )
                limit = gate.limit(seconds)
                try:
                    async with limit:
                        response = await _respond(behaviour(request, context), context)
                    count_call(method, "OK", "", started)
                    return response
                except TimeoutError as error:
                    if not limit.expired():
                        raise
                    if gate.closing:
                        raise Refusal(CommonReasons.STREAM_MOVED, retry_after_seconds=0) from error
                    if seconds == token_seconds:
                        raise Refusal(CommonReasons.TOKEN_EXPIRED) from error
                    raise _deadline_exceeded(method, remaining or 0.0, error) from error
                finally:
                    gate.streams.discard(limit)
            except asyncio.CancelledError:
                count_call(method, "CANCELLED", "", started)
                raise
            except Exception as error:
                await _fail(context, method, caller, error, started)

        return stream

    def _token_seconds(self, caller: Caller) -> float | None:
        if caller.token_expire_time is None:
            return None
        return caller.token_expire_time - self._gate.clock.now().timestamp()


async def _respond(responses: Any, context: Any) -> Any:
    """Send what an asynchronous generator yields; or run a coroutine, which sends by itself."""
    if not inspect.isasyncgen(responses):
        return await responses
    async with contextlib.aclosing(responses):
        async for response in responses:
            await context.write(response)
    return None


def seconds_to_work(remaining: float) -> float:
    """How much of the time that the caller waits is for the work itself."""
    return max(remaining - DEADLINE_MARGIN_SECONDS, remaining / 2)


def _deadline_exceeded(method: str, seconds: float, error: TimeoutError) -> Refusal:
    """The refusal, with what the call was waiting for if a client of ours left a note."""
    # The cancellation behind a timeout is its cause, or before Python 3.11.4 only its context.
    cancellation = error.__cause__ or error.__context__
    waiting = "; ".join(getattr(cancellation, "__notes__", ()))
    return Refusal(
        CommonReasons.DEADLINE_EXCEEDED,
        f"{method} did not finish within {seconds:.3g} s" + (f": {waiting}." if waiting else "."),
        metadata={"method": method},
    )


async def _fail(
    context: Context, method: str, caller: Caller | None, error: Exception, started: float
) -> NoReturn:
    """End the call with the one status that `error` means, and count it."""
    if isinstance(error, grpc.aio.AbortError):
        count_call(method, "ABORTED", "", started)
        raise error
    refusal = refusal_within(error)
    if refusal is not None:
        if log.isEnabledFor(logging.DEBUG):
            log.debug(
                "call refused",
                extra={"method": method, "caller": caller, "reason": refusal.reason.name},
            )
    elif isinstance(error, Overloaded):
        refusal = Refusal(CommonReasons.OVERLOADED, retry_after_seconds=OVERLOADED_RETRY_SECONDS)
    elif isinstance(error, NotImplementedError):
        refusal = Refusal(CommonReasons.METHOD_UNKNOWN, f"{method} is not implemented here.")
    else:
        incident = new_id()
        log.error(
            "call failed",
            exc_info=error,
            extra={"method": method, "caller": caller, "incident": incident},
        )
        refusal = internal_refusal(incident)
    count_call(method, refusal.reason.status.name, refusal.reason.name, started)
    await abort(context, refusal)
