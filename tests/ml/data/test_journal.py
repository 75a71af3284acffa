"""What people said is on the disk when it was said, and half a line harms no other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ml.data.journal import append_entries, read_entries
from ml.data.labels import Entry, EntryMalformed
from services.local.leash import Leash


def entry(id_: str) -> Entry:
    return Entry(id_, "review", "2026-03-01T12:00:00Z", "ann", text="مرحبا", label="personal")


def test_entries_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    append_entries(path, [entry("1")])
    before = path.read_bytes()
    append_entries(path, [entry("2"), entry("3")])

    assert path.read_bytes().startswith(before)
    assert read_entries(path) == ([entry("1"), entry("2"), entry("3")], [])
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_was_cut_short_is_named_and_harms_no_other(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    append_entries(path, [entry("1"), entry("2")])
    path.write_bytes(path.read_bytes()[:-20])
    append_entries(path, [entry("3")])
    entries, [bad] = read_entries(path)

    assert [found.id for found in entries] == ["1", "3"]
    assert (bad.number, bad.reason) == (2, "not JSON")


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    append_entries(path, [entry("1")])
    for unsound in (replace(entry("2"), by=""), replace(entry("2"), text="x" * 20_000)):
        with pytest.raises(EntryMalformed):
            append_entries(path, [entry("3"), unsound])

    assert read_entries(path) == ([entry("1")], [])


def test_lines_that_are_no_entries_are_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_bytes(b'\xff\n{"id": "1"}\n[]\n' + json.dumps(entry("4").as_data()).encode() + b"\n")
    entries, bad = read_entries(path)

    assert [found.id for found in entries] == ["4"]
    assert [(line.number, line.reason) for line in bad] == [
        (1, "not UTF-8"), (2, "no kind"), (3, "not a JSON object"),
    ]  # fmt: skip


WRITER = """
import sys
from pathlib import Path
from ml.data.journal import append_entries
from ml.data.labels import Entry
for at in range(100_000):
    append_entries(Path(sys.argv[1]), [
        Entry(str(at), "review", "2026-03-01T12:00:00Z", "ann", text="x", label="personal")])
    print(at, flush=True)
"""


def test_what_was_acknowledged_before_a_kill_is_there(tmp_path: Path, leash: Leash) -> None:
    path = tmp_path / "labels.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        leash.tie(writer.pid)
        assert writer.stdout
        acknowledged = [writer.stdout.readline().strip() for _ in range(50)]
        os.kill(writer.pid, signal.SIGKILL)
    entries, _ = read_entries(path)

    assert [found.id for found in entries][:50] == acknowledged
