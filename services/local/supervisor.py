"""Keeps services running: starts them in order, restarts what crashes, stops them in reverse."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from services.local.errors import LocalError
from services.local.processes import ServiceProcess

# Told about each change: the name of a service, and what it does now, in a few words.
Report = Callable[[str, str], None]

_START_SECONDS_MAX = 60.0
_POLL_SECONDS = 0.05
# What a service says with its exit code: see services/kit/process.py.
EXIT_ADDRESS_TAKEN = 3
_PORTS_TRIED_MAX = 5
_CRASHES_MAX = 5
_CRASHES_WITHIN_SECONDS = 60.0
_RESTART_SECONDS_MIN = 0.2
_RESTART_SECONDS_MAX = 5.0


def tell_nobody(name: str, status: str) -> None:
    """A report for those who do not want one."""


class Supervisor:
    """Runs groups of services, the first group first."""

    def __init__(
        self,
        groups: Sequence[Sequence[ServiceProcess]],
        is_serving: Callable[[str], Awaitable[bool]],
        report: Report,
    ) -> None:
        """`is_serving` asks a service, by its name, whether it is ready for calls."""
        self._groups = groups
        self._processes = {process.name: process for group in groups for process in group}
        self._is_serving = is_serving
        self._report = report
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """Start every service, and return when all serve.

        Raises:
            LocalError: One ended at once or did not come to serve; the message has its log's end.
        """
        for group in self._groups:
            await asyncio.gather(*(self.start_one(process.name) for process in group))

    async def start_one(self, name: str) -> None:
        """Start this service, and return when it serves; see `start`."""
        process = self._processes[name]
        self._report(name, "starting")
        for _ in range(_PORTS_TRIED_MAX):
            await process.start()
            try:
                await self._wait_until_serving(process)
                break
            except LocalError:
                # Somebody took the port after we had found it free: it gets another.
                if process.exit_code != EXIT_ADDRESS_TAKEN:
                    raise
        else:
            raise LocalError(_with_log(f"{name} found no free port", process))
        self._report(name, "serving")
        self._watchers[name] = asyncio.create_task(self._watch(process), name=f"watch {name}")

    async def stop(self) -> None:
        """Stop every service, the last group first, so that nobody calls one that is gone."""
        for group in reversed(self._groups):
            await asyncio.gather(*(self.stop_one(process.name) for process in group))
        self._failure.cancel()

    async def stop_one(self, name: str) -> None:
        """Stop this service, and let it be."""
        await self._unwatch(name)
        if self._processes[name].pid is not None:
            self._report(name, "stopping")
        await self._processes[name].stop()

    async def kill_one(self, name: str) -> None:
        """Kill this service as a power cut would, and let it be until `start_one`."""
        await self._unwatch(name)
        self._processes[name].kill()
        await self._processes[name].wait()

    def kill(self) -> None:
        """Kill every service at once; `stop` has still to be called, and returns soon."""
        for process in self._processes.values():
            process.kill()

    async def failed(self) -> None:
        """Return never; raise when a service could not be kept running.

        Raises:
            LocalError: A service kept crashing; the message has its log's end.
        """
        await asyncio.shield(self._failure)

    async def _watch(self, process: ServiceProcess) -> None:
        """Restart the service whenever it ends, unless it does so all the time."""
        crashes: deque[float] = deque(maxlen=_CRASHES_MAX)
        pause = _RESTART_SECONDS_MIN
        while True:
            how = _how_it_ended(await process.wait())
            now = time.monotonic()
            if len(crashes) == _CRASHES_MAX and now - crashes[0] < _CRASHES_WITHIN_SECONDS:
                self._give_up(
                    f"{process.name} crashed {_CRASHES_MAX + 1} times within a minute ({how})",
                    process,
                )
                return
            pause = pause * 2 if crashes and now - crashes[-1] < 30 else _RESTART_SECONDS_MIN
            crashes.append(now)
            self._report(process.name, f"crashed ({how}); restarting")
            await asyncio.sleep(min(pause, _RESTART_SECONDS_MAX))
            await process.start()
            try:
                await self._wait_until_serving(process)
            except LocalError:
                continue
            self._report(process.name, "serving again")

    def _give_up(self, what: str, process: ServiceProcess) -> None:
        self._report(process.name, "given up")
        if not self._failure.done():
            self._failure.set_exception(LocalError(_with_log(what, process)))

    async def _unwatch(self, name: str) -> None:
        watcher = self._watchers.pop(name, None)
        if watcher is not None:
            watcher.cancel()
            await asyncio.wait([watcher])

    async def _wait_until_serving(self, process: ServiceProcess) -> None:
        deadline = time.monotonic() + _START_SECONDS_MAX
        while process.pid is not None:
            if await self._is_serving(process.name):
                return
            if time.monotonic() > deadline:
                process.kill()
                await process.wait()
                raise LocalError(
                    _with_log(
                        f"{process.name} did not serve in {_START_SECONDS_MAX:.0f} s", process
                    )
                )
            await asyncio.sleep(_POLL_SECONDS)
        how = _how_it_ended(await process.wait())
        raise LocalError(_with_log(f"{process.name} ended while it was starting ({how})", process))


def _how_it_ended(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _with_log(what: str, process: ServiceProcess) -> str:
    return f"{what}. The end of {process.log_file}:\n{process.log_end()}"
