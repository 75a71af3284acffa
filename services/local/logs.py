"""The logs of a state folder's processes: their last lines, and what they add while we watch."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

_POLL_SECONDS = 0.2


class LogReader:
    """Reads whole lines from the end of one log, also when it is begun anew."""

    def __init__(self, file: Path, *, lines: int) -> None:
        """Start so that the first `read` returns the last `lines` lines of what is there now."""
        self.name = file.stem
        self._file = file
        self._rest = b""
        content = file.read_bytes() if file.exists() else b""
        kept = content.splitlines(keepends=True)[-lines:] if lines else []
        self._position = len(content) - sum(len(line) for line in kept)

    def read(self) -> list[str]:
        """The lines that were added since the last time."""
        try:
            with self._file.open("rb") as log:
                if log.seek(0, 2) < self._position:  # It was begun anew.
                    self._position, self._rest = 0, b""
                log.seek(self._position)
                content = log.read()
        except FileNotFoundError:
            return []
        self._position += len(content)
        *whole, self._rest = (self._rest + content).split(b"\n")
        return [line.decode(errors="replace") for line in whole]


def logged_names(folder: Path) -> list[str]:
    """Who has a log in this folder."""
    return sorted(file.stem for file in folder.glob("*.log"))


async def follow(
    folder: Path, names: Iterable[str], *, lines: int
) -> AsyncGenerator[tuple[str, str], None]:
    """The last lines of these logs and then, for ever, what is added: (name, line)."""
    readers = [LogReader(folder / f"{name}.log", lines=lines) for name in names]
    while True:
        for reader in readers:
            for line in reader.read():
                yield reader.name, line
        await asyncio.sleep(_POLL_SECONDS)
