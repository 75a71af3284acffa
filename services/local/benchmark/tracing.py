"""What traces cost: sends a second, and CPU for each, without them and with them.

Three platforms stand side by side, and one after the other gets a second's worth of messages, there
and back again: what else the machine does weighs on all of them alike. A collector takes what they
export and drops it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc

from services.kit.config import ServiceSettings
from services.local.benchmark import usage
from services.local.benchmark.parties import PEOPLE, message, open_phones, sending_businesses
from services.local.errors import LocalError
from services.local.frames import FRAME_ITEMS, framed, send_accepted
from services.local.parties import Business, Doors
from services.local.platform import LocalPlatform
from services.local.roster import ROSTER

ROUNDS: Final = 20
MESSAGES: Final = 4 * FRAME_ITEMS
# By what a figure calls it: which share of the messages is traced.
SHARES: Final[dict[str, float]] = {
    "off": 0.0,
    "default": ServiceSettings.model_fields["traces_sampled_share"].default,
    "all": 1.0,
}

# Takes a figure: its name, value and unit.
Add = Callable[[str, float, str], None]


async def measure(state: Path, add: Add) -> None:
    """What the same sends come to with each share, beside what they come to without traces."""
    async with AsyncExitStack() as stack:
        sides = {
            name: await stack.enter_async_context(_side(state / name, share))
            for name, share in SHARES.items()
        }
        for number in range(1 + ROUNDS):
            for side in list(sides.values())[:: 1 if number % 2 else -1]:
                await side.send()
    for name, side in sides.items():
        # What was left went out as they stopped.
        if bool(side.collector.bytes_received) is not bool(SHARES[name]):
            raise LocalError(f"the collector got {side.collector.bytes_received} bytes: {name}")
        add(f"traces_{name}_per_s", statistics.median(side.rates[1:]), "messages/s")
    without = sides.pop("off")
    for name, side in sides.items():
        of_rate = _ratio(side.rates, without.rates)
        of_cpu = _ratio(side.cpu_seconds, without.cpu_seconds)
        add(f"traces_{name}_of_rate", of_rate, "of the rate without")
        add(f"traces_{name}_of_cpu", of_cpu, "of the CPU without")


def _ratio(values: list[float], others: list[float]) -> float:
    """The median over the rounds but the first, in which much is looked up for the first time."""
    return statistics.median(a / b for a, b in list(zip(values, others, strict=True))[1:])


class _Collector:
    """Takes what is exported, as an OpenTelemetry collector does, and keeps none of it."""

    def __init__(self) -> None:
        self.bytes_received = 0

    async def export(self, request: bytes, _: Any) -> bytes:
        """Answers as one that took everything."""
        self.bytes_received += len(request)
        return b""


class _Side:
    """A platform that traces a share of what it is sent."""

    def __init__(self, platform: LocalPlatform, business: Business, collector: _Collector) -> None:
        self._platform = platform
        self._business = business
        self.collector = collector
        self.rates: list[float] = []
        self.cpu_seconds: list[float] = []

    async def send(self) -> None:
        """Sends some messages; keeps how many went in a second, and what the platform used."""
        frames = framed([message(n % PEOPLE, n) for n in range(MESSAGES)])
        before, start = self._used_seconds(), time.perf_counter()
        await send_accepted(self._business, frames)
        self.rates.append(MESSAGES / (time.perf_counter() - start))
        self.cpu_seconds.append(self._used_seconds() - before)

    def _used_seconds(self) -> float:
        used = usage.cpu_seconds(self._platform)
        return sum(seconds for name, seconds in used.items() if name != usage.LOAD)


@asynccontextmanager
async def _side(state: Path, share: float) -> AsyncIterator[_Side]:
    async with _collecting() as (collector, endpoint):
        told = {"HUDHUD_TRACES_ENDPOINT": endpoint, "HUDHUD_TRACES_SAMPLED_SHARE": str(share)}
        overrides = {service.name: told if share else {} for service in ROSTER}
        async with (
            LocalPlatform(state, overrides=overrides) as platform,
            sending_businesses(Doors(state)) as [business],
        ):
            await open_phones(Doors(state), business)
            yield _Side(platform, business, collector)


@asynccontextmanager
async def _collecting() -> AsyncIterator[tuple[_Collector, str]]:
    server, collector = grpc.aio.server(), _Collector()
    port = server.add_insecure_port("127.0.0.1:0")
    handlers: dict[str, Any] = {"Export": grpc.unary_unary_rpc_method_handler(collector.export)}
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    await server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        await server.stop(0)
