"""`hudhud-ml label` on a real terminal, and what it keeps."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ml.cli import main
from ml.command import SOME_LINES_UNUSABLE
from ml.data.labels import standing
from ml.data.store import Store
from ml.places import PROJECT
from services.local.leash import Leash
from tests.ml.conftest import Release

APPEAL = {"id": "a1", "kind": "appeal", "time": "2026-03-01T12:00:00Z", "by": "b1",
          "business": "b1", "text": "Your bill of EUR 40 is due on Monday, account 12345678",
          "label": "transactional", "language": "en"}  # fmt: skip
ROWS = [
    {"id": "1", "text": "MEGA SALE 70% off all shoes, shop now!", "lang": "en"},
    {"id": "2", "text": "Where are you? Dinner is ready", "lang": "en"},
    {"id": "3", "text": "عرض خاص لفترة محدودة", "lang": "ar"},
]


class Terminal:
    """A person at a terminal that runs `hudhud-ml label`."""

    def __init__(self, arguments: list[str]) -> None:
        self._end, theirs = pty.openpty()
        environment = os.environ | {"COLUMNS": "100", "TERM": "xterm", "PYTHONPATH": str(PROJECT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ml", "label", *arguments], stdin=theirs, stdout=theirs,
            stderr=theirs, env=environment, cwd=PROJECT, start_new_session=True,
            # Tests themselves may run where a terminal that is gone is ignored (nohup).
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )  # fmt: skip
        os.close(theirs)
        self.seen = ""

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Until the text has been shown since the last wait."""
        until = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self._end], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"{text!r} was not shown, but {self.seen!r}"
            try:
                self.seen += os.read(self._end, 65_536).decode(errors="replace")
            except OSError:  # so Linux tells that nobody is at the other end
                break
        assert text in self.seen, self.seen
        self.seen = self.seen.partition(text)[2]

    def press(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._end)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def options(release: Release, tmp_path: Path, store: Store) -> list[str]:
    public = tmp_path / "release.pub"
    public.write_bytes(
        release.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return ["--model", str(release.folder), "--public-key", str(public),
            "--store", str(store.folder), "--by", "ann"]  # fmt: skip


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    path = tmp_path / "queue.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS))
    return path


@pytest.fixture
def terminal(options: list[str], queue: Path, leash: Leash) -> Iterator[Terminal]:
    terminal = Terminal([*options, "--queue", str(queue)])
    leash.tie(terminal.process.pid)
    yield terminal
    terminal.close()
    leash.untie(terminal.process.pid)


def labels(store: Store) -> list[tuple[str, str]]:
    return [(entry.of, entry.label) for entry in standing(store.entries()[0])]


def test_one_key_is_one_decision_and_is_kept_at_once(terminal: Terminal, store: Store) -> None:
    terminal.wait_for("1 of 3")
    terminal.wait_for("q quit")
    terminal.press("p")
    terminal.wait_for("2 of 3")
    [first] = store.entries()[0]
    assert (first.kind, first.label, first.by, first.previous) == (
        "review",
        "promotional",
        "ann",
        "",
    )
    assert first.model
    assert first.text

    terminal.press("x")  # means nothing
    terminal.press("ى")  # the n of an Arabic keyboard
    terminal.wait_for("3 of 3")
    terminal.press("u")
    terminal.wait_for("2 of 3")
    assert len(labels(store)) == 1
    terminal.press("t")
    terminal.wait_for("3 of 3")
    terminal.press(" ")
    terminal.wait_for("2 decided, 1 left.")
    assert terminal.process.wait(30) == 0
    assert [label for _, label in labels(store)] == ["promotional", "transactional"]


@pytest.mark.parametrize("keys", ["q", "\x03"])
def test_quitting_keeps_what_was_decided(terminal: Terminal, store: Store, keys: str) -> None:
    terminal.wait_for("q quit")
    terminal.press("s")
    terminal.wait_for("2 of 3")
    terminal.press(keys)
    terminal.wait_for("1 decided, 2 left.")
    assert terminal.process.wait(30) == 0
    assert len(labels(store)) == 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP])
def test_a_terminal_that_is_killed_loses_nothing(
    terminal: Terminal, store: Store, options: list[str], queue: Path, how: signal.Signals
) -> None:
    terminal.wait_for("q quit")
    terminal.press("s")
    terminal.wait_for("2 of 3")
    terminal.press("p")
    terminal.wait_for("3 of 3")
    os.kill(terminal.process.pid, how)
    terminal.process.wait(30)

    assert [label for _, label in labels(store)] == ["scam", "promotional"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["label", *arguments])


def exported(path: Path, *entries: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return str(path)


def test_what_a_service_exported_is_taken_in_once(store: Store, tmp_path: Path) -> None:
    file = exported(tmp_path / "said.jsonl", APPEAL, APPEAL | {"id": "a2", "phone": "1"})
    result = run("--add", file, "--store", str(store.folder))

    assert result.exit_code == SOME_LINES_UNUSABLE
    assert "said.jsonl:2: unknown field 'phone'" in result.stderr
    assert "1 appeals taken in; 0 were known already, 1 lines" in result.stdout
    [entry] = store.entries()[0]
    assert entry.text == "Your bill of EUR 40 is due on Monday, account 12000000"
    again = run("--add", file, "--store", str(store.folder))
    assert "Nothing taken in; 1 were known already" in again.stdout
    assert len(store.entries()[0]) == 1


def test_a_label_is_withdrawn(store: Store, tmp_path: Path) -> None:
    run("--add", exported(tmp_path / "said.jsonl", APPEAL), "--store", str(store.folder))
    options = ("--store", str(store.folder), "--by", "ann", "--reason", "a mistake")
    result = run("--withdraw", "a1", *options)

    assert result.exit_code == 0
    assert "a1 is withdrawn." in result.stdout
    assert labels(store) == []
    assert store.entries()[0][-1].reason == "a mistake"
    assert "a1 was withdrawn already." in run("--withdraw", "a1", *options).stdout
    assert len(store.entries()[0]) == 2
    unknown = run("--withdraw", "a9", *options)
    assert unknown.exit_code == 2
    assert "There is no label 'a9'" in unknown.stderr


def test_deciding_needs_a_terminal(store: Store) -> None:
    result = run("--store", str(store.folder))

    assert result.exit_code == 2
    assert "Deciding needs a terminal" in result.stderr
