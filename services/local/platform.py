"""The whole platform on this machine, as one object: the composition of everything here."""

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from services.local import health
from services.local.certificates import Authority, Identity
from services.local.databases import Databases
from services.local.leash import Leash
from services.local.nats import Nats
from services.local.ports import Ports
from services.local.postgres import Postgres
from services.local.processes import ServiceProcess
from services.local.roster import HOST, ROSTER, Service, describe_to, stages
from services.local.secrets import Secrets
from services.local.state import hold_state
from services.local.supervisor import Report, Supervisor, tell_nobody

# The name in the certificate of what runs here and is no service: this program and its demo.
LOCAL = "local"


class LocalPlatform:
    """PostgreSQL, NATS and every service, for one state folder.

    Use it as `async with LocalPlatform(state) as platform:`; inside, everything serves.

    HUDHUD_DATABASE_URL and HUDHUD_NATS_URL name real servers to use instead of our own: the first
    as a role that may create databases and roles.
    """

    def __init__(
        self,
        state: Path,
        *,
        overrides: Mapping[str, Mapping[str, str]] | None = None,
        services: tuple[Service, ...] = ROSTER,
        database_prefix: str = "hudhud",
        report: Report = tell_nobody,
    ) -> None:
        """Prepare, without starting.

        `overrides` has more environment for some services, by their names. `report` is told what
        each part does, as it happens.
        """
        self.state = state.resolve()
        self._overrides = overrides or {}
        self._services = services
        self._database_prefix = database_prefix
        self._report = report
        self._stack = AsyncExitStack()
        self.ports = Ports(self.state / "ports.json")
        self.secrets = Secrets(self.state / "secrets")
        self.authority = Authority(self.state / "certificates")
        self._database_urls: dict[str, str] = {}
        self._guest_urls: dict[str, str] = {}
        self._nats_url = ""
        self.postgres: Postgres | None = None
        self.nats: Nats | None = None
        self.processes: dict[str, ServiceProcess] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def internal_address(self, service: str) -> str:
        """Where this service listens for other services (mutual TLS), as host:port."""
        return f"{HOST}:{self.ports.current(f'{service}.internal')}"

    def public_address(self, service: str) -> str:
        """Where this service listens for businesses, devices and operators, as host:port."""
        return f"{HOST}:{self.ports.current(f'{service}.public')}"

    def identity(self, name: str = LOCAL) -> Identity:
        """A certificate of our authority in this name, for callers outside the services."""
        return self.authority.identity(name)

    def database_url(self, service: str) -> str:
        """An asyncpg URL of this service's database, as its owner."""
        return self._database_urls[service]

    @property
    def nats_url(self) -> str:
        """Where NATS listens."""
        return self._nats_url

    async def stop(self, service: str) -> None:
        """Stop this service, until `start`."""
        await self.supervisor.stop_one(service)

    async def kill(self, service: str) -> None:
        """Kill this service as a power cut would (SIGKILL), until `start`."""
        await self.supervisor.kill_one(service)

    async def start(self, service: str) -> None:
        """Start this service again, and return when it serves."""
        await self.supervisor.start_one(service)

    async def wipe_jetstream(self) -> None:
        """Kill NATS, remove everything JetStream had stored, and start it again."""
        if self.nats is None:
            raise RuntimeError("NATS is not ours: HUDHUD_NATS_URL names another")
        self.nats.kill()
        self.nats.wipe()
        await _to_its_end(self.nats.start)

    def kill_everything(self) -> None:
        """Kill every process at once, for somebody who will not wait for `async with` to end."""
        for process in self.processes.values():
            process.kill()
        for server in (self.nats, self.postgres):
            if server is not None:
                server.kill()

    async def _start(self) -> None:
        lock = await self._stack.enter_async_context(hold_state(self.state))
        leash = self._stack.enter_context(Leash(keep_open=[lock]))
        await asyncio.gather(self._start_postgres(leash), self._start_nats(leash))
        groups = [
            [self._process(service, leash) for service in group] for group in stages(self._services)
        ]
        self.supervisor = Supervisor(groups, self._is_serving, self._report)
        self._stack.push_async_callback(self.supervisor.stop)
        await self.supervisor.start()

    async def _start_postgres(self, leash: Leash) -> None:
        admin_url = os.environ.get("HUDHUD_DATABASE_URL")
        if not admin_url:
            self._report("postgres", "starting")
            self.postgres = Postgres(self.state, leash)
            self._stack.callback(self.postgres.stop)
            await _to_its_end(self.postgres.start)
            if self.postgres.notice:
                self._report("postgres", self.postgres.notice)
            admin_url = self.postgres.admin_url
        databases = Databases(admin_url, self.secrets.folder / "databases")
        for service in self._services:
            name = f"{self._database_prefix}_{service.name}"
            self._database_urls[service.name] = await databases.ensure(name)
            if service.is_guest_of_its_database:
                self._guest_urls[service.name] = await databases.ensure_guest(name)
        self._report("postgres", "serving")

    async def _start_nats(self, leash: Leash) -> None:
        self._nats_url = os.environ.get("HUDHUD_NATS_URL", "")
        if not self._nats_url:
            self._report("nats", "starting")
            self.nats = Nats(self.state, leash, self.ports, self.authority.identity("nats"))
            self._stack.callback(self.nats.stop)
            await _to_its_end(self.nats.start)
            self._nats_url = self.nats.url
        self._report("nats", "serving")

    def _process(self, service: Service, leash: Leash) -> ServiceProcess:
        def environment() -> dict[str, str]:
            return {
                **describe_to(
                    service,
                    state=self.state,
                    ports=self.ports,
                    identity=self.authority.identity(service.name),
                    secrets=self.secrets,
                    database_url=self._database_urls[service.name],
                    guest_url=self._guest_urls.get(service.name),
                    nats_url=self._nats_url,
                ),
                **self._overrides.get(service.name, {}),
            }

        log_file = self.state / "logs" / f"{service.name}.log"
        process = ServiceProcess(service.name, service.module, environment, log_file, leash)
        self.processes[service.name] = process
        return process

    async def _is_serving(self, service: str) -> bool:
        return await health.is_serving(self.internal_address(service), self.identity())


async def _to_its_end(function: Callable[[], None]) -> None:
    """Run this in a thread. If we are cancelled meanwhile, let it end first.

    A server that is just being started could not be stopped otherwise: nobody has it yet.
    """
    running = asyncio.create_task(asyncio.to_thread(function))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await running
        raise
