"""Policy as a process of its own, for tests that kill it and for measuring."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple
from uuid import uuid4

from services.kit.config import Address
from tests.fixtures.waiting import eventually
from tests.policy.house import House, Replica


class _Served(NamedTuple):
    """A policy process, seen as a server."""

    internal_address: Address
    public_address: Address


class Process(Replica):
    """A replica that is a process."""

    def __init__(
        self,
        house: House,
        process: asyncio.subprocess.Process,
        served: Any,
        stack: AsyncExitStack,
    ) -> None:
        service: Any = type("Service", (), {"servicers": [(None, None)]})
        super().__init__(house, served, service, stack)
        self.process_id = process.pid
        self._process = process

    async def kill(self) -> None:
        """End it as a failing machine would."""
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def process(house: House, **overrides: Any) -> AsyncIterator[Process]:
    """A policy process that serves, until this is left."""
    environment = {
        "HUDHUD_" + name.upper(): str(getattr(value, "path", value))
        for name, value in house.settings(**overrides)
        if value is not None and name not in ("internal_listen", "public_listen", "share_port")
    } | {"HUDHUD_INTERNAL_LISTEN": "127.0.0.1:0", "HUDHUD_PUBLIC_LISTEN": "127.0.0.1:0"}
    log_file = house.folder / f"{uuid4()}.log"
    with log_file.open("wb") as log:
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.policy", env={**os.environ, **environment}, stderr=log
        )
    said: dict[str, str] = {}

    def serves() -> bool:
        assert started.returncode is None, log_file.read_text()
        for line in log_file.read_text().splitlines():
            if " serving" in line:
                said.update(dict(word.split("=", 1) for word in line.split() if "=" in word))
        return bool(said)

    async with AsyncExitStack() as stack:
        try:
            await eventually(serves, 120)
            served = _Served(_local(said["internal"]), _local(said["public"]))
            yield Process(house, started, served, stack)
        finally:
            if started.returncode is None:
                started.terminate()
            await started.wait()


def _local(address: str) -> Address:
    return Address("127.0.0.1", int(address.rpartition(":")[2]))
