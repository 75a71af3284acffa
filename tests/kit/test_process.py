"""A service's process: how it starts, how it stops, and what its exit code says."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.request import urlopen

import pytest

from services.kit.client import connect
from services.kit.clock import ManualClock
from services.kit.errors import Refusal
from services.kit.process import kept_running
from services.local.certificates import Authority
from services.local.leash import Leash
from services.local.ports import any_free_port
from tests.kit.probe import pb, stubs, tls

Process = asyncio.subprocess.Process


@asynccontextmanager
async def process(authority: Authority, **environment: str) -> AsyncIterator[Process]:
    identity = authority.identity("probe")
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.kit.probe_process",
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "HUDHUD_INTERNAL_LISTEN": "127.0.0.1:0",
            "HUDHUD_DATABASE_URL": "none",
            "HUDHUD_NATS_URL": "none",
            "HUDHUD_TLS_CERTIFICATE_FILE": str(identity.certificate_file),
            "HUDHUD_TLS_KEY_FILE": str(identity.key_file),
            "HUDHUD_TLS_AUTHORITY_FILE": str(identity.authority_file),
            "HUDHUD_LOG_FORMAT": "json",
            **environment,
        },
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def said(started: Process, message: str) -> dict[str, Any]:
    """The first log line with this message."""
    assert started.stderr is not None
    while line := await started.stderr.readline():
        record: dict[str, Any] = json.loads(line)
        if record["message"] == message:
            return record
    raise AssertionError(f"it never said {message!r}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_after_the_call_in_flight(
    authority: Authority, leash: Leash, number: signal.Signals
) -> None:
    async with process(authority) as started:
        address = (await said(started, "serving"))["internal"]
        async with connect(address, name="probe", tls=tls(authority, "edge")) as channel:
            stub = stubs.ProbeServiceStub(channel)
            assert (await stub.Act(pb.ActRequest(text="hello"))).caller == "service:edge"
            working = asyncio.ensure_future(stub.Act(pb.ActRequest(text="take half a second")))
            await said(started, "taking half a second")
            started.send_signal(number)
            await said(started, "stopping")
            assert not working.done()
            assert (await working).text == "take half a second"
        assert await asyncio.wait_for(started.wait(), 10) == 0


async def test_it_counts_its_calls_for_prometheus(authority: Authority, leash: Leash) -> None:
    port = any_free_port()
    async with process(authority, HUDHUD_METRICS_LISTEN=f"127.0.0.1:{port}") as started:
        address = (await said(started, "serving"))["internal"]
        async with connect(address, name="probe", tls=tls(authority, "edge")) as channel:
            stub = stubs.ProbeServiceStub(channel)
            await stub.Act(pb.ActRequest(text="hello"))
            for text in ("refuse", "fail"):
                with pytest.raises(Refusal):
                    await stub.Act(pb.ActRequest(text=text))
        response = await asyncio.to_thread(urlopen, f"http://127.0.0.1:{port}/metrics")
        lines = response.read().decode().splitlines()
    counted = {line.rpartition(" ")[0] for line in lines if line.endswith(" 1.0")}

    def was_counted(code: str, reason: str) -> bool:
        labels = f'code="{code}",method="probe.v1.ProbeService/Act",reason="{reason}"'
        return f"hudhud_rpc_duration_seconds_count{{{labels}}}" in counted

    assert was_counted("OK", "")
    assert was_counted("FAILED_PRECONDITION", "REFUSED")
    assert was_counted("INTERNAL", "INTERNAL")
    assert not [line for line in lines if "4711" in line]  # what the fault said


async def test_a_taken_port_for_metrics_is_named(authority: Authority, leash: Leash) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with process(authority, HUDHUD_METRICS_LISTEN=address) as started:
            _, stderr = await started.communicate()
            assert f"Cannot listen on {address}" in stderr.decode()
            assert started.returncode == 3


async def test_a_signal_before_it_is_ready_stops_it_at_once(
    authority: Authority, leash: Leash
) -> None:
    async with process(authority, PROBE_APP="hangs") as started:
        await said(started, "listening")
        started.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(started.wait(), 10) == 0


async def test_it_fails_with_a_code_and_a_line(authority: Authority, leash: Leash) -> None:
    async with process(authority, PROBE_APP="fails") as started:
        record = await said(started, "the service cannot run")
        assert record["exception"] == "RuntimeError"
        assert await started.wait() == 1


async def test_bad_configuration_has_a_code_of_its_own(authority: Authority, leash: Leash) -> None:
    async with process(authority, HUDHUD_INTERNAL_LISTEN="nowhere") as started:
        _, stderr = await started.communicate()
        assert b"HUDHUD_INTERNAL_LISTEN" in stderr
        assert b"Traceback" not in stderr
        assert started.returncode == 2


async def test_a_taken_port_has_a_code_of_its_own(authority: Authority, leash: Leash) -> None:
    async with process(authority) as first:
        address = (await said(first, "serving"))["internal"]
        async with process(authority, HUDHUD_INTERNAL_LISTEN=address) as second:
            _, stderr = await second.communicate()
            assert f"Cannot listen on {address}" in stderr.decode()
            assert second.returncode == 3


async def test_background_work_is_run_again_ever_more_slowly() -> None:
    clock = ManualClock()
    starts: list[float] = []

    async def work() -> None:
        starts.append(clock.monotonic())
        if len(starts) < 5:
            raise ConnectionError("away")

    running = asyncio.ensure_future(kept_running(work, clock))
    for pause in (0.2, 0.4, 0.8, 1.6):
        await clock.wait_for_sleepers()
        clock.advance(pause)
    await running
    assert starts == pytest.approx([0, 0.2, 0.6, 1.4, 3.0])
