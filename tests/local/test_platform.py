"""The whole platform on one machine, with stand-ins for the services: started, broken, stopped."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import asyncpg
import psutil
import pytest

from services.local import ports, processes, supervisor
from services.local.errors import LocalError
from services.local.leash import Leash
from services.local.platform import LocalPlatform
from services.local.roster import HOST, Service, stages
from tests.fixtures.waiting import eventually, is_alive

STAND_INS = (
    Service("edge", "tests.local.stand_in", 0, 0, peers=("billing",)),
    Service("billing", "tests.local.stand_in", 0, 0),
)
# A platform of its own in another process, to be killed.
RUN_FOREVER = """
import asyncio, pathlib, sys
from services.local.platform import LocalPlatform
from tests.local.test_platform import STAND_INS

async def main():
    async with LocalPlatform(pathlib.Path(sys.argv[1]), services=STAND_INS) as platform:
        pids = [platform.postgres.pid, platform.nats.pid]
        pids += [process.pid for process in platform.processes.values()]
        print(*pids, flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""

pytestmark = pytest.mark.usefixtures("leash")


async def test_everything_serves_in_order_and_stops_in_reverse(state: Path) -> None:
    told: list[tuple[str, str]] = []
    platform = LocalPlatform(
        state, services=STAND_INS, report=lambda name, status: told.append((name, status))
    )
    async with platform:
        connection = await asyncpg.connect(platform.database_url("billing"))
        assert await connection.fetchval("SELECT current_user") == "hudhud_billing"
        await connection.close()
        assert platform.nats_url.startswith("tls://")
        pids = [process.pid for process in platform.processes.values()]
    services = [(name, status) for name, status in told if name in ("billing", "edge")]
    assert services == [
        ("billing", "starting"),
        ("billing", "serving"),
        ("edge", "starting"),
        ("edge", "serving"),
        ("edge", "stopping"),
        ("billing", "stopping"),
    ]
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)
    assert "stopped" in (state / "logs" / "edge.log").read_text()


async def test_a_second_start_keeps_data_ports_and_secrets(state: Path) -> None:
    async with LocalPlatform(state, services=STAND_INS) as first:
        connection = await asyncpg.connect(first.database_url("billing"))
        await connection.execute("CREATE TABLE letters AS SELECT 1 AS number")
        await connection.close()
        address = first.internal_address("edge")
        secret = first.secrets.pairwise_secret.read_text()
    async with LocalPlatform(state, services=STAND_INS) as second:
        connection = await asyncpg.connect(second.database_url("billing"))
        assert await connection.fetchval("SELECT number FROM letters") == 1
        await connection.close()
        assert second.internal_address("edge") == address
        assert second.secrets.pairwise_secret.read_text() == secret


async def test_a_port_that_is_taken_is_replaced(state: Path) -> None:
    async with LocalPlatform(state, services=STAND_INS) as first:
        address = first.internal_address("edge")
    host, port = address.split(":")
    with socket.create_server((host, int(port))):
        async with LocalPlatform(state, services=STAND_INS) as second:
            assert second.internal_address("edge") != address


async def test_a_port_that_is_taken_at_the_last_moment_is_replaced_too(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((HOST, 0)) as stranger:
        wanted = stranger.getsockname()[1]
        # The port looks free when it is chosen, once.
        looks, is_free = iter([True]), ports._is_free
        monkeypatch.setattr(
            ports, "_is_free", lambda port: next(looks, False) if port == wanted else is_free(port)
        )
        billing = Service("billing", "tests.local.stand_in", wanted, 0)
        async with LocalPlatform(state, services=(billing,)) as platform:
            assert platform.internal_address("billing") != f"{HOST}:{wanted}"


async def test_a_service_that_crashes_is_restarted(state: Path) -> None:
    async with LocalPlatform(state, services=STAND_INS) as platform:
        billing = platform.processes["billing"]
        pid = billing.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: billing.pid not in (None, pid))


async def test_a_service_that_crashes_all_the_time_is_given_up_with_its_log(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_RESTART_SECONDS_MAX", 0.0)
    monkeypatch.setattr(supervisor, "_CRASHES_MAX", 2)
    told: list[str] = []
    platform = LocalPlatform(
        state, services=STAND_INS[1:], report=lambda name, status: told.append(status)
    )

    def has_restarted(times: int) -> bool:
        return told.count("serving again") == times

    async with platform:
        billing = platform.processes["billing"]
        for restarts in range(3):
            await eventually(partial(has_restarted, restarts))
            assert billing.pid is not None
            os.kill(billing.pid, signal.SIGKILL)
        with pytest.raises(LocalError, match=r"billing crashed 3 times .*signal 9.*billing\.log"):
            await platform.supervisor.failed()
        assert billing.pid is None


async def test_a_service_that_is_deaf_to_sigterm_is_killed(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_STOP_SECONDS_MAX", 0.5)
    overrides = {"billing": {"HUDHUD_STAND_IN": "deaf"}}
    async with LocalPlatform(state, services=STAND_INS[1:], overrides=overrides) as platform:
        billing = platform.processes["billing"]
    assert billing.pid is None


async def test_a_service_that_was_killed_on_purpose_stays_down_until_started(state: Path) -> None:
    async with LocalPlatform(state, services=STAND_INS) as platform:
        await platform.kill("billing")
        assert platform.processes["billing"].pid is None
        await platform.start("billing")
        assert platform.processes["billing"].pid is not None


async def test_a_service_that_cannot_start_says_why_and_nothing_is_left(state: Path) -> None:
    overrides = {"edge": {"HUDHUD_STAND_IN": "crashes"}}
    platform = LocalPlatform(state, services=STAND_INS, overrides=overrides)
    with pytest.raises(LocalError, match="there is something wrong with me"):
        async with platform:
            pytest.fail("it started")
    assert platform.postgres is not None
    assert platform.nats is not None
    assert platform.postgres.pid is platform.nats.pid is None


async def test_jetstream_can_be_wiped_and_comes_back_on_the_same_address(state: Path) -> None:
    async with LocalPlatform(state, services=STAND_INS) as platform:
        assert platform.nats is not None
        address, pid = platform.nats.url, platform.nats.pid
        await platform.wipe_jetstream()
        assert platform.nats.url == address
        assert platform.nats.pid not in (None, pid)


async def test_a_second_run_in_the_same_folder_is_refused_by_name(state: Path) -> None:
    async with LocalPlatform(state, services=STAND_INS):
        with pytest.raises(LocalError, match=rf"already running in .* \(process {os.getpid()}\)"):
            async with LocalPlatform(state, services=STAND_INS):
                pytest.fail("it started")


async def test_nothing_outlives_a_killed_run_and_the_next_one_starts(state: Path) -> None:
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN_FOREVER, str(state), stdout=subprocess.PIPE
    )
    assert run.stdout is not None
    children = [psutil.Process(int(pid)) for pid in (await run.stdout.readline()).split()]
    assert len(children) == 4
    run.kill()
    await run.wait()
    # The next run waits for the remains of the killed one: it needs the same folder.
    async with LocalPlatform(state, services=STAND_INS):
        assert not any(is_alive(child) for child in children)


def test_services_start_after_those_that_they_call() -> None:
    assert [[each.name for each in group] for group in stages(STAND_INS)] == [["billing"], ["edge"]]
    circle = (Service("a", "", 0, 0, peers=("b",)), Service("b", "", 0, 0, peers=("a",)))
    with pytest.raises(ValueError, match="in a circle"):
        stages(circle)


def test_a_leash_stops_what_it_holds_when_it_is_closed() -> None:
    with Leash() as leash:
        sleeper = subprocess.Popen(["sleep", "3600"])
        leash.tie(sleeper.pid)
    assert sleeper.wait(5) == -signal.SIGTERM


def test_a_leash_leaves_alone_what_was_untied() -> None:
    with Leash() as leash:
        sleeper = subprocess.Popen(["sleep", "3600"])
        leash.tie(sleeper.pid)
        leash.untie(sleeper.pid)
    assert sleeper.poll() is None
    sleeper.kill()
    sleeper.wait()
