"""The ceiling: a bare grpc.aio unary echo in a process of its own, with mutual TLS and without.

No chain of services can be faster than one call that does nothing; what the chain reaches is told
as a share of this, measured in the same run, because machines differ and are noisy.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any, Final

import grpc
import uvloop

from services.local.certificates import Identity

BODY: Final = bytes(300)
_PATH: Final = "/echo.Echo/Echo"


async def measure(identity: Identity | None, *, calls: int, concurrency: int) -> float:
    """Calls a second. `identity` is who both sides are with mutual TLS; None: without TLS."""
    # Not forked: gRPC does not survive a fork.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(theirs, identity), daemon=True)
    server.start()
    try:
        port = await asyncio.to_thread(ours.recv)
        return await _call(f"localhost:{port}", identity, calls, concurrency)
    finally:
        server.terminate()
        await asyncio.to_thread(server.join)


async def run_concurrently(
    work: Callable[[], Awaitable[Any]], *, times: int, concurrency: int
) -> float:
    """Does `work` so many times, so many at once; the seconds it took."""
    left = iter(range(times))

    async def worker() -> None:
        for _ in left:
            await work()

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return time.perf_counter() - start


async def _call(address: str, identity: Identity | None, calls: int, concurrency: int) -> float:
    if identity is None:
        channel = grpc.aio.insecure_channel(address)
    else:
        channel = grpc.aio.secure_channel(
            address,
            grpc.ssl_channel_credentials(
                identity.authority_file.read_bytes(),
                identity.key_file.read_bytes(),
                identity.certificate_file.read_bytes(),
            ),
        )
    async with channel:
        echo: Any = channel.unary_unary(_PATH)

        async def once() -> None:
            await echo(BODY, timeout=10)

        await run_concurrently(once, times=concurrency * 4, concurrency=concurrency)
        return calls / await run_concurrently(once, times=calls, concurrency=concurrency)


def _serve(pipe: Connection, identity: Identity | None) -> None:
    uvloop.run(_serve_for_ever(pipe, identity))


async def _serve_for_ever(pipe: Connection, identity: Identity | None) -> None:
    server = grpc.aio.server()

    async def echo(request: bytes, _: Any) -> bytes:
        return request

    handlers: dict[str, Any] = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo.Echo", handlers),))
    if identity is None:
        port = server.add_insecure_port("localhost:0")
    else:
        port = server.add_secure_port(
            "localhost:0",
            grpc.ssl_server_credentials(
                [(identity.key_file.read_bytes(), identity.certificate_file.read_bytes())],
                identity.authority_file.read_bytes(),
                require_client_auth=True,
            ),
        )
    await server.start()
    pipe.send(port)
    await server.wait_for_termination()
