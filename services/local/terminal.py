"""How the command line speaks to a person: one console, and the progress of a start."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.markup import escape


class _PatientConsole(Console):
    """Goes on when its terminal is gone: what was started is still to be stopped in order."""

    def print(self, *objects: Any, **options: Any) -> None:
        with suppress(OSError):
            super().print(*objects, **options)


console = _PatientConsole(highlight=False)

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_red", "bright_cyan")
_NAME_WIDTH = 10


class Progress:
    """Prints what each part of the platform does, a line for each change worth one."""

    def __init__(self) -> None:
        self._start_times: dict[str, float] = {}
        self._status = console.status("Starting")

    def __call__(self, name: str, status: str) -> None:
        """Take a report; see `services.local.supervisor.Report`."""
        if status in ("starting", "stopping"):
            self._start_times[name] = time.monotonic()
            self._status.update(f"{status.capitalize()} {name}")
            return
        now = time.monotonic()
        seconds = now - self._start_times.get(name, now)
        if status == "serving":
            console.print(f"  [green]✓[/] {name:{_NAME_WIDTH}} [dim]{seconds:5.1f} s[/]")
        else:
            console.print(f"  [yellow]![/] {name:{_NAME_WIDTH}} {escape(status)}")

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show a moving line, where the output is a terminal, while something is going on."""
        with self._status:
            yield


def print_log_line(name: str, line: str) -> None:
    """Print a service's log line, with the service's name in the service's colour."""
    colour = _COLOURS[sum(name.encode()) % len(_COLOURS)]
    console.print(f"[{colour}]{name:{_NAME_WIDTH}}[/] {escape(line)}", soft_wrap=True)
