"""The benchmark's taps: what passes is carried over and counted, to the byte."""

import asyncio
from pathlib import Path

from services.local.benchmark.wire import Taps


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say everything twice, once all of it is there."""
    data = await reader.read(-1)
    writer.write(data * 2)
    writer.close()


async def ask(
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], question: bytes
) -> bytes:
    reader, writer = connection
    writer.write(question)
    writer.write_eof()
    answer = await reader.read(-1)
    writer.close()
    return answer


async def test_both_directions_are_carried_and_counted() -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    peer = server.sockets[0].getsockname()[1]
    async with Taps() as taps:
        port = await taps.on_port("edge", "policy", lambda: peer)
        other = await taps.on_port("edge", "billing", lambda: peer)
        question = bytes(range(256)) * 4000
        for _ in range(2):
            answer = await ask(await asyncio.open_connection("127.0.0.1", port), question)
            assert answer == question * 2
        assert await ask(await asyncio.open_connection("127.0.0.1", other), b"x") == b"xx"
        assert taps.bytes_carried == {
            ("edge", "policy", "there"): 2 * len(question),
            ("edge", "policy", "back"): 4 * len(question),
            ("edge", "billing", "there"): 1,
            ("edge", "billing", "back"): 2,
        }
    server.close()


async def test_a_socket_is_tapped_too(tmp_path: Path) -> None:
    socket = tmp_path / "socket"
    server = await asyncio.start_unix_server(echo, socket)
    async with Taps() as taps:
        folder = await taps.on_socket("edge", "postgres", lambda: str(socket))
        tap = folder / ".s.PGSQL.5432"
        assert await ask(await asyncio.open_unix_connection(tap), b"abc") == b"abcabc"
        assert taps.bytes_carried["edge", "postgres", "there"] == 3
    assert not folder.exists()
    server.close()


async def test_behind_a_tap_nobody_is_as_if_there_were_no_tap() -> None:
    async with Taps() as taps:
        port = await taps.on_port("edge", "policy", lambda: 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read(-1) == b""
        writer.close()
        assert taps.bytes_carried.total() == 0


async def test_connections_that_are_open_end_with_the_taps() -> None:
    ended = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Hello")
        await reader.read(-1)
        writer.close()
        ended.set()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    peer = server.sockets[0].getsockname()[1]
    async with Taps() as taps:
        port = await taps.on_port("edge", "policy", lambda: peer)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readexactly(5) == b"Hello"
    assert await reader.read(-1) == b""
    await ended.wait()
    writer.close()
    server.close()
