"""One service as a process of its own: started, asked whether it serves, stopped, killed."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from services.local.leash import Leash
from services.local.state import PROJECT_FOLDER

_STOP_SECONDS_MAX = 20.0
_LOG_BYTES_MAX = 50_000_000


class ServiceProcess:
    """A program that can be started again; each time it is told anew what it must know."""

    def __init__(
        self,
        name: str,
        module: str,
        environment: Callable[[], Mapping[str, str]],
        log_file: Path,
        leash: Leash,
    ) -> None:
        self.name = name
        self.log_file = log_file
        self._module = module
        self._environment = environment
        self._leash = leash
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def exit_code(self) -> int | None:
        """How it ended last, negative for a signal; None if it runs or never did."""
        return self._process.returncode if self._process is not None else None

    async def start(self) -> None:
        """Start it, without waiting for it to serve."""
        # Logs go straight to the file: a busy or a killed supervisor holds nobody up.
        with self._open_log() as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                cwd=PROJECT_FOLDER,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self._environment()},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._leash.tie(self._process.pid)

    async def wait(self) -> int:
        """Wait until it has ended; returns its exit code, negative for a signal."""
        if self._process is None:
            return 0
        code = await self._process.wait()
        self._leash.untie(self._process.pid)
        return code

    async def stop(self) -> None:
        """Ask it to stop, and wait until it has; it is killed if it takes too long."""
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.wait(), _STOP_SECONDS_MAX)
        except TimeoutError:
            self.kill()
            await self.wait()

    def kill(self) -> None:
        """Kill it at once."""
        self._signal(signal.SIGKILL)

    def log_end(self, lines: int = 15) -> str:
        """The last lines of its log."""
        text = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:
                pass

    def _open_log(self) -> IO[bytes]:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_BYTES_MAX:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        log = self.log_file.open("ab", buffering=0)
        start_time = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        log.write(f"--- {self.name} started {start_time} ---\n".encode())
        return log
