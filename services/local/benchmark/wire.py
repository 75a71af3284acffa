"""What each connection of the platform carries: everything on it passes a tap that counts.

A tap listens where a peer would, opens a connection to that peer for each that comes, and carries
the bytes over unread. So what is counted is what a network would see of TLS, HTTP/2 and the rest,
without TCP's own headers. Tapping costs CPU: rates are measured without.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs, quote, urlsplit

from services.local.parties import Doors
from services.local.platform import LocalPlatform
from services.local.roster import HOST, ROSTER

_CHUNK_BYTES: Final = 256 * 1024
_POSTGRES_SOCKET: Final = ".s.PGSQL.5432"

# To whom a tap carries: a port of this machine, or a socket's path.
Peer = int | str


class Taps:
    """All taps of a platform, and what passed them. Use as `async with`."""

    def __init__(self) -> None:
        # By (who called, whom, "there" or "back").
        self.bytes_carried: Counter[tuple[str, str, str]] = Counter()
        self._servers: list[asyncio.Server] = []
        self._carrying: set[asyncio.Task[None]] = set()
        # A socket's path is short, or the system refuses it.
        self._folder = Path(tempfile.mkdtemp(prefix="hudhud-taps-"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def on_port(self, caller: str, peer_name: str, peer: Callable[[], Peer]) -> int:
        """A port that leads to `peer`, which is asked for at each connection."""
        server = await asyncio.start_server(self._carrier(caller, peer_name, peer), HOST, 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def on_socket(self, caller: str, peer_name: str, peer: Callable[[], Peer]) -> Path:
        """A folder with a PostgreSQL socket that leads to `peer`."""
        folder = self._folder / caller
        folder.mkdir()
        server = await asyncio.start_unix_server(
            self._carrier(caller, peer_name, peer), folder / _POSTGRES_SOCKET
        )
        self._servers.append(server)
        return folder

    def _carrier(
        self, caller: str, peer_name: str, peer: Callable[[], Peer]
    ) -> Callable[..., None]:
        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(carry(reader, writer))
            self._carrying.add(task)
            task.add_done_callback(self._carrying.discard)

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # A peer that is not there yet, or no more, is a connection that ends.
            with suppress(OSError), closing(writer):
                theirs = await _connect(peer())
                with closing(theirs[1]):
                    await asyncio.gather(
                        self._pump(reader, theirs[1], (caller, peer_name, "there")),
                        self._pump(theirs[0], writer, (caller, peer_name, "back")),
                    )

        return begin

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        name: tuple[str, str, str],
    ) -> None:
        with suppress(OSError):  # One side went away; so does the other.
            while data := await reader.read(_CHUNK_BYTES):
                self.bytes_carried[name] += len(data)
                writer.write(data)
                await writer.drain()
            writer.write_eof()
            return
        writer.close()


class _Detours(Mapping[str, Mapping[str, str]]):
    """Where each service finds its peers: at taps. PostgreSQL's URLs are known late."""

    def __init__(self) -> None:
        self.addresses: dict[str, dict[str, str]] = {service.name: {} for service in ROSTER}
        self.database_urls: dict[str, Callable[[], str]] = {}

    def __getitem__(self, service: str) -> Mapping[str, str]:
        return {
            **self.addresses[service],
            "HUDHUD_DATABASE_URL": self.database_urls[service](),
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self.addresses)

    def __len__(self) -> int:
        return len(self.addresses)


@dataclass(frozen=True)
class TappedDoors(Doors):
    """The platform's public doors, each behind a tap."""

    ports: Mapping[str, int]

    def address(self, service: str) -> str:
        """Where the tap in front of the service listens."""
        return f"{HOST}:{self.ports[service]}"


async def _connect(peer: Peer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(peer, int):
        return await asyncio.open_connection(HOST, peer)
    return await asyncio.open_unix_connection(peer)


@asynccontextmanager
async def tapped_platform(state: Path) -> AsyncIterator[tuple[LocalPlatform, Taps]]:
    """A platform all of whose connections inside are tapped."""
    async with AsyncExitStack() as stack:
        taps = await stack.enter_async_context(Taps())
        detours = _Detours()
        platform = LocalPlatform(state, overrides=detours)
        for service in ROSTER:
            addresses = detours.addresses[service.name]
            for peer in service.peers:
                port = await taps.on_port(service.name, peer, _port(platform, f"{peer}.internal"))
                addresses[f"HUDHUD_{peer.upper()}_ADDRESS"] = f"{HOST}:{port}"
            port = await taps.on_port(service.name, "nats", _port(platform, "nats"))
            addresses["HUDHUD_NATS_URL"] = f"tls://{HOST}:{port}"
            socket = _postgres_socket(platform, service.name)
            folder = await taps.on_socket(service.name, "postgres", socket)
            detours.database_urls[service.name] = _tapped_url(platform, service.name, folder)
        await stack.enter_async_context(platform)
        yield platform, taps


async def tapped_doors(platform: LocalPlatform, taps: Taps, caller: str) -> Doors:
    """The public doors of a platform as `caller` finds them."""
    ports = {
        service.name: await taps.on_port(
            caller, service.name, _port(platform, f"{service.name}.public")
        )
        for service in ROSTER
    }
    return TappedDoors(platform.state, ports)


def _port(platform: LocalPlatform, name: str) -> Callable[[], Peer]:
    def port() -> Peer:
        taken = platform.ports.current(name)
        assert taken is not None
        return taken

    return port


def _postgres_socket(platform: LocalPlatform, service: str) -> Callable[[], Peer]:
    def path() -> Peer:
        query = parse_qs(urlsplit(platform.database_url(service)).query)
        return f"{query['host'][0]}/{_POSTGRES_SOCKET}"

    return path


def _tapped_url(platform: LocalPlatform, service: str, folder: Path) -> Callable[[], str]:
    def url() -> str:
        direct = platform.database_url(service)
        host = parse_qs(urlsplit(direct).query)["host"][0]
        return direct.replace(quote(host, safe=""), quote(str(folder), safe=""))

    return url
