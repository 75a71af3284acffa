"""The probe service as a process of its own: `python -m tests.kit.probe_process`."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.kit.access import AccessList
from services.kit.config import ServiceSettings
from services.kit.process import run
from services.kit.server import Service
from tests.kit.probe import ACCESS, ProbeServicer, stubs


@asynccontextmanager
async def app(settings: ServiceSettings) -> AsyncIterator[Service]:
    match os.environ.get("PROBE_APP"):
        case "fails":
            raise RuntimeError("the database is not there")
        case "hangs":
            await asyncio.Event().wait()
    yield Service([(stubs.add_ProbeServiceServicer_to_server, ProbeServicer())])


if __name__ == "__main__":
    AccessList.load = classmethod(lambda cls: ACCESS)  # type: ignore[assignment,method-assign]
    run("probe", ServiceSettings, app)
