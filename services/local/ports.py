"""Which ports this state folder uses: chosen free once, remembered, and chosen anew when taken."""

import json
import socket
from pathlib import Path

from services.local.private_files import write_private

_HOST = "127.0.0.1"


class Ports:
    """Remembers a port for each name, so that addresses stay the same from run to run."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._remembered: dict[str, int] = {}
        if file.exists():
            self._remembered = json.loads(file.read_text())

    def take(self, name: str, *, preferred: int = 0) -> int:
        """The port for this name: the remembered one, else the preferred one, else any free one."""
        of_others = {port for other, port in self._remembered.items() if other != name}
        wishes = [self._remembered.get(name, 0), preferred]
        port = next((wish for wish in wishes if wish and _is_free(wish)), None)
        while port is None or port in of_others:
            port = any_free_port()
        if self._remembered.get(name) != port:
            self._remembered[name] = port
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_private(self._file, json.dumps(self._remembered, indent=2).encode())
        return port

    def current(self, name: str) -> int | None:
        """The port last given to this name, or None."""
        return self._remembered.get(name)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # A connection of the last run that is still saying goodbye does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
        return True


def any_free_port() -> int:
    """One that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
