"""`hudhud run` as a person meets it: addresses, Ctrl-C, a second Ctrl-C, a second run."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.fixtures.waiting import eventually, is_alive

RUN = """
import asyncio, pathlib, sys
from services.local.run import run
from tests.local.test_platform import STAND_INS

asyncio.run(run(pathlib.Path(sys.argv[1]), services=STAND_INS))
"""

pytestmark = pytest.mark.usefixtures("leash")


async def start_run(state: Path) -> asyncio.subprocess.Process:
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, str(state), stdout=subprocess.PIPE
    )
    assert run.stdout is not None
    async for line in run.stdout:
        if b"Logs are in" in line:
            return run
    raise AssertionError("it did not come up")


async def rest_of(run: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(20):
        return (await run.communicate())[0].decode()


async def test_ctrl_c_stops_everything_in_order(state: Path) -> None:
    run = await start_run(state)
    children = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGINT)
    assert "What was stored stays" in await rest_of(run)
    assert run.returncode == 0
    await eventually(lambda: not any(is_alive(child) for child in children), seconds=5)
    assert "database system is shut down" in (state / "logs" / "postgres.log").read_text()


async def test_it_stops_in_order_when_its_terminal_is_gone(state: Path) -> None:
    ours, theirs = pty.openpty()
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, str(state), stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    printed = b""
    while b"Logs are in" not in printed:
        printed += await asyncio.to_thread(os.read, ours, 4096)
    children = psutil.Process(run.pid).children(recursive=True)
    os.close(ours)  # Whatever is printed from now on fails.
    run.send_signal(signal.SIGINT)
    async with asyncio.timeout(20):
        await run.wait()
    await eventually(lambda: not any(is_alive(child) for child in children), seconds=5)
    assert "database system is shut down" in (state / "logs" / "postgres.log").read_text()


async def test_a_second_ctrl_c_kills_and_leaves_nothing(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUDHUD_STAND_IN", "deaf")
    run = await start_run(state)
    children = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGINT)
    assert run.stdout is not None
    assert b"Ctrl-C again kills" in await run.stdout.readuntil(b"kills.")
    run.send_signal(signal.SIGINT)
    async with asyncio.timeout(5):
        await rest_of(run)
    await eventually(lambda: not any(is_alive(child) for child in children), seconds=5)
