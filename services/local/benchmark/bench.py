"""`hudhud bench`: measures the whole road with everything on.

Screening, reservation, sealing, mutual TLS, durable commits: nothing is switched off. The platform
runs in a state folder of its own, so that an earlier run weighs nothing; the load generator and the
devices share the machine with it.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import uvloop
from rich.table import Table

from services.local.benchmark import costs, echo, hops, ledger, relaying, tracing, usage
from services.local.benchmark.parties import PEOPLE, message, open_phones, sending_businesses
from services.local.benchmark.storage import Kept, read_kept, wait_until_settled
from services.local.errors import LocalError
from services.local.frames import FRAME_ITEMS, framed, send_accepted
from services.local.parties import Business, Doors
from services.local.platform import LocalPlatform
from services.local.terminal import Progress, console

ECHO_CALLS: Final = 6_000
UNARY_C1: Final = 300
UNARY_C64: Final = 4_000
STREAM_MESSAGES: Final = 48 * FRAME_ITEMS
# With what warms up.
ROAD_MESSAGES: Final = UNARY_C1 + 1 * 4 + UNARY_C64 + 64 * 4 + STREAM_MESSAGES
DELIVERY_SECONDS_MAX: Final = 120.0


@dataclass
class Results:
    """What was measured, in the order of measuring."""

    figures: list[tuple[str, float, str]] = field(default_factory=list)
    cpu: list[tuple[str, dict[str, float], int]] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str) -> None:
        """Keeps one figure and shows it."""
        self.figures.append((name, value, unit))
        console.print(f"  {name:32} {value:12,.2f} {unit}")

    def value(self, name: str) -> float:
        """A figure that was measured."""
        return next(value for figure, value, _ in self.figures if figure == name)


def bench(state: Path) -> None:
    """Measures everything, prints a table, writes `bench.json` into the state folder."""
    results = Results()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_measure(state / "benchmark", results))
    _show(results)
    file = state / "bench.json"
    file.write_text(
        json.dumps(
            [{"name": name, "value": value, "unit": unit} for name, value, unit in results.figures],
            indent=1,
        )
    )
    console.print(f"Written to {file}")


async def _measure(state: Path, results: Results) -> None:
    await asyncio.to_thread(shutil.rmtree, state, ignore_errors=True)
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(LocalPlatform(state, report=Progress()))
        identity = platform.identity()
        console.print("\nBare echo, for comparison")
        results.add("echo_unary_c1_per_s", await _echo(None, 1), "calls/s")
        results.add("echo_unary_per_s", await _echo(None, 64), "calls/s")
        results.add("echo_unary_tls_per_s", await _echo(identity, 64), "calls/s")
        console.print("\nThe road")
        doors = Doors(state)
        [business] = await stack.enter_async_context(sending_businesses(doors))
        phones = await open_phones(doors, business)
        # Of servers that others use too nobody could say what came of these messages.
        are_ours = platform.postgres is not None and platform.nats is not None
        kept = await read_kept(platform) if are_ours else None
        await _unary(results, platform, business, concurrency=1, messages=UNARY_C1)
        await _unary(results, platform, business, concurrency=64, messages=UNARY_C64)
        await _stream(results, platform, business)
        await _deliver(results, platform, phones)
        if kept is not None:
            _add_kept(results, kept, await read_kept(platform))

        def keep_cpu(stage: str, before: dict[str, float], count: int) -> None:
            _keep_cpu(results, platform, stage, before, count)

        console.print("\nBeside the road")
        await costs.measure_streams(platform, doors, phones, results.add, keep_cpu)
        await costs.measure_tokens(platform, doors, phones[0], keep_cpu)
        await costs.measure_first_words(platform, doors, keep_cpu)
        await costs.measure_new_wordings(platform, business, results.add, keep_cpu)
        for name, megabytes in usage.memory_megabytes(platform).items():
            results.add(f"memory_{name.replace(' ', '_')}", megabytes, "MB")
        await relaying.measure(platform, results.add)
    await costs.measure_hash(results.add)
    if are_ours:
        console.print("\nWhat connections carry, for each message")
        await hops.measure(state / "tapped", results.add)
    console.print("\nWhat traces cost")
    await tracing.measure(state / "traced", results.add)
    console.print("\nThe ledger by itself")
    await ledger.measure(state / "ledger", results.add)


async def _echo(identity: Any, concurrency: int) -> float:
    calls = ECHO_CALLS if concurrency > 1 else ECHO_CALLS // 10
    return await echo.measure(identity, calls=calls, concurrency=concurrency)


async def _unary(
    results: Results,
    platform: LocalPlatform,
    business: Business,
    *,
    concurrency: int,
    messages: int,
) -> None:
    latencies: list[float] = []
    # Made before the clock runs: it is the road that is measured.
    waiting = iter([message(n % PEOPLE, n) for n in range(messages + concurrency * 4)])

    async def send() -> None:
        start = time.perf_counter()
        outcome = await business.send(next(waiting))
        latencies.append(time.perf_counter() - start)
        if not outcome.HasField("accepted"):
            raise LocalError(f"a message of the benchmark was not accepted: {outcome}")

    await echo.run_concurrently(send, times=concurrency * 4, concurrency=concurrency)
    latencies.clear()
    before = usage.cpu_seconds(platform)
    seconds = await echo.run_concurrently(send, times=messages, concurrency=concurrency)
    _keep_cpu(results, platform, f"unary, {concurrency} at once", before, messages)
    quantiles = statistics.quantiles(latencies, n=100)
    results.add(f"send_unary_c{concurrency}_per_s", messages / seconds, "messages/s")
    results.add(f"send_unary_c{concurrency}_p50_ms", quantiles[49] * 1000, "ms")
    results.add(f"send_unary_c{concurrency}_p99_ms", quantiles[98] * 1000, "ms")
    if concurrency > 1:
        echo_rate = results.value("echo_unary_per_s")
        results.add("send_unary_c64_of_echo", messages / seconds / echo_rate, "of the echo's rate")


async def _stream(results: Results, platform: LocalPlatform, business: Business) -> None:
    frames = framed([message(n % PEOPLE, n) for n in range(STREAM_MESSAGES)])
    before = usage.cpu_seconds(platform)
    start = time.perf_counter()
    await send_accepted(business, frames)
    seconds = time.perf_counter() - start
    _keep_cpu(results, platform, "stream of many", before, STREAM_MESSAGES)
    results.add("send_stream_per_s", STREAM_MESSAGES / seconds, "messages/s")


async def _deliver(results: Results, platform: LocalPlatform, phones: list[Any]) -> None:
    """Everything that was sent waits in mailboxes; now the devices attach."""
    expected = PEOPLE + ROAD_MESSAGES
    before = usage.cpu_seconds(platform)
    start = time.perf_counter()
    async with AsyncExitStack() as stack:
        for phone in phones:
            await stack.enter_async_context(phone)
        while sum(phone.received_count for phone in phones) < expected:
            if time.perf_counter() - start > DELIVERY_SECONDS_MAX:
                raise LocalError("not everything was delivered in time")
            await asyncio.sleep(0.02)
        seconds = time.perf_counter() - start
        # Receipts are told and charged while this goes on, and some when it is over.
        await wait_until_settled(platform)
    _keep_cpu(results, platform, "delivery", before, expected)
    results.add("deliver_per_s", expected / seconds, "messages/s")


def _add_kept(results: Results, before: Kept, after: Kept) -> None:
    """What the messages of the road left behind, for each."""
    console.print("\nWhat is kept of a message")
    pairs = {
        "table": (before.table_bytes, after.table_bytes),
        "log": (before.log_bytes, after.log_bytes),
        "commits": (before.commits, after.commits),
    }
    for what, (earlier, later) in pairs.items():
        for name, count in later.items():
            if grown := count - earlier.get(name, 0):
                unit = "commits" if what == "commits" else "bytes"
                results.add(f"kept_{what}_{name}", grown / ROAD_MESSAGES, unit)
    grown = after.jetstream_bytes - before.jetstream_bytes
    results.add("kept_jetstream", grown / ROAD_MESSAGES, "bytes")


def _keep_cpu(
    results: Results, platform: LocalPlatform, what: str, before: dict[str, float], messages: int
) -> None:
    after = usage.cpu_seconds(platform)
    used = {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}
    results.cpu.append((what, used, messages))
    for name, seconds in used.items():
        stage = what.replace(",", "").replace(" ", "_")
        figure = f"cpu_{stage}_{name.replace(' ', '_')}"
        results.figures.append((figure, seconds / messages * 1e6, "us"))


def _show(results: Results) -> None:
    for title, stages in (("the road", results.cpu[:4]), ("beside it", results.cpu[4:])):
        table = Table(
            "process",
            *(f"{what}\n{count:,}" for what, _, count in stages),
            title=f"CPU of {title}, microseconds a message (or a stream)",
        )
        for name in stages[0][1]:
            cells = (f"{used.get(name, 0.0) / count * 1e6:,.0f}" for _, used, count in stages)
            table.add_row(name, *cells)
        console.print(table)
