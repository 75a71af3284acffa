"""PostgreSQL for one state folder: its settings, its recovery, its neighbours."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from services.local.leash import Leash
from services.local.postgres import Postgres
from services.local.private_files import private_folder


@pytest.fixture
def server(state: Path, leash: Leash) -> Iterator[Postgres]:
    """A PostgreSQL of the test's own, not started yet."""
    server = Postgres(state, leash)
    yield server
    server.erase()


async def ask(server: Postgres, query: str) -> object:
    connection = await asyncpg.connect(server.admin_url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_a_commit_is_on_the_disk_and_nobody_listens_on_tcp(server: Postgres) -> None:
    server.start()
    assert await ask(server, "SHOW fsync") == "on"
    assert await ask(server, "SHOW synchronous_commit") == "on"
    assert await ask(server, "SHOW listen_addresses") == ""
    assert await ask(server, "SHOW server_encoding") == "UTF8"
    assert str(await ask(server, "SHOW server_version")).startswith("18.")


async def test_what_was_committed_survives_kill_and_stop(server: Postgres) -> None:
    server.start()
    connection = await asyncpg.connect(server.admin_url)
    await connection.execute("CREATE TABLE letters AS SELECT 'هدهد' AS text")
    connection.terminate()
    for end in (server.kill, server.stop):
        end()
        server.start()
        assert await ask(server, "SELECT text FROM letters") == "هدهد"


async def test_a_process_file_that_names_a_stranger_is_no_obstacle(server: Postgres) -> None:
    server.start()
    server.kill()
    process_file = next(server.home.glob("data/postmaster.pid"))
    lines = process_file.read_text().splitlines()
    # The number now belongs to somebody else, who is alive: as after a restart of a container.
    process_file.write_text("\n".join([str(os.getppid()), *lines[1:]]))
    server.start()
    assert await ask(server, "SELECT 1") == 1


async def test_a_server_that_outlived_its_parent_is_replaced(
    server: Postgres, state: Path, leash: Leash
) -> None:
    server.start()
    assert server.pid is not None
    left_behind = psutil.Process(server.pid)
    second = Postgres(state, leash)
    second.start()
    try:
        assert not left_behind.is_running() or left_behind.status() == psutil.STATUS_ZOMBIE
        assert await ask(second, "SELECT 1") == 1
    finally:
        second.stop()


async def test_a_cluster_whose_making_was_interrupted_is_made_anew(server: Postgres) -> None:
    unfinished = server.home / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18")
    server.start()
    assert await ask(server, "SELECT 1") == 1


async def test_a_cluster_whose_state_folder_was_removed_makes_way(
    server: Postgres, state: Path
) -> None:
    server.start()
    server.stop()
    shutil.rmtree(state / "secrets")
    server.start()
    assert await ask(server, "SELECT 1") == 1


async def test_two_servers_run_side_by_side(server: Postgres, state: Path, leash: Leash) -> None:
    neighbour = Postgres(state / "neighbour", leash)
    server.start()
    neighbour.start()
    try:
        assert server.admin_url != neighbour.admin_url
        assert await ask(server, "SELECT 1") == await ask(neighbour, "SELECT 1")
    finally:
        neighbour.erase()


async def test_a_path_too_long_for_a_socket_is_no_obstacle(state: Path, leash: Leash) -> None:
    server = Postgres(state / ("long-" * 30), leash)
    server.start()
    try:
        assert await ask(server, "SELECT 1") == 1
    finally:
        server.erase()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its rights for PostgreSQL")
async def test_as_root_it_runs_as_somebody_else(server: Postgres) -> None:
    server.start()
    assert server.pid is not None
    assert psutil.Process(server.pid).uids().real != 0
    assert server.notice is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its rights for PostgreSQL")
async def test_a_state_folder_that_is_closed_to_postgresql_is_said_and_circumvented(
    state: Path, leash: Leash
) -> None:
    closed = private_folder(state / "closed")
    server = Postgres(closed / "state", leash)
    server.start()
    try:
        assert await ask(server, "SELECT 1") == 1
        assert server.notice is not None
        assert str(server.home) in server.notice
    finally:
        server.erase()
    assert not server.home.parent.exists()


async def test_a_server_that_does_not_start_shows_its_log(state: Path, leash: Leash) -> None:
    server = Postgres(state, leash, settings={"shared_buffers": "not a size"})
    with pytest.raises(Exception, match="invalid value for parameter"):
        server.start()
    server.erase()
