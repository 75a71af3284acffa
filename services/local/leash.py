"""Ends what a killed program left behind.

PostgreSQL, NATS and the services run in sessions of their own, so that Ctrl-C reaches only the
program that started them, which stops them in order. Should that program be killed outright, a
second one, this, finds its standard input closed and stops them in its place.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Collection
from typing import IO, Self

import psutil

_GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.02


class Leash:
    """Processes that must not outlive this one, even if it is killed."""

    def __init__(self, *, keep_open: Collection[int] = ()) -> None:
        """Start the watcher. It keeps these file descriptors open for as long as it lives."""
        self._watcher = subprocess.Popen(
            [sys.executable, "-m", "services.local.leash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=keep_open,
            bufsize=0,
        )

    def tie(self, pid: int, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        """Stop this process with this signal when we are gone. The last tied is stopped first."""
        self._say(f"tie {pid} {int(stop_signal)}")

    def untie(self, pid: int) -> None:
        """Forget a process that has ended."""
        self._say(f"untie {pid}")

    def close(self) -> None:
        """Let go: what is still tied is stopped."""
        if self._watcher.stdin is not None:
            self._watcher.stdin.close()
        self._watcher.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say(self, line: str) -> None:
        # One write of one short line is whole even when threads say something at the same time.
        if self._watcher.stdin is not None and not self._watcher.stdin.closed:
            self._watcher.stdin.write(f"{line}\n".encode())


def watch(lines: IO[str], grace_seconds: float = _GRACE_SECONDS) -> None:
    """Follow what is tied and untied until the lines end, then stop what is left."""
    tied: dict[int, tuple[psutil.Process, int]] = {}
    for line in lines:
        match line.split():
            case ["tie", pid, stop_signal]:
                try:
                    # psutil remembers when a process began, so that a number which the system
                    # gave to somebody else meanwhile is never signalled.
                    tied[int(pid)] = (psutil.Process(int(pid)), int(stop_signal))
                except psutil.NoSuchProcess:
                    continue
            case ["untie", pid]:
                tied.pop(int(pid), None)
    for process, signal_number in reversed(tied.values()):
        _stop(process, signal_number, grace_seconds)


def _stop(process: psutil.Process, signal_number: int, grace_seconds: float) -> None:
    try:
        process.send_signal(signal_number)
        deadline = time.monotonic() + grace_seconds
        # Nobody may be left to collect the exit code: then a zombie is all that there will be.
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                process.kill()
                return
            time.sleep(_POLL_SECONDS)
    except psutil.NoSuchProcess:
        return


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    watch(sys.stdin)
