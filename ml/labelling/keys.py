"""Single key presses from a terminal.

The library that reads them is loaded when they are waited for: the image has none, and its jobs
call `hudhud-ml` too.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_toolkit.input import Input

QUIT = "q"
# What the same keys give where the keyboard writes Arabic (layout 101).
_ARABIC = dict(zip("حسفىنعض", "pstnkuq", strict=True))
_QUITS = ("c-c", "c-d")  # with Control


class KeyPresses:
    """Waits for one key at a time; the end of the terminal is the key that quits."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self._pressed: deque[str] = deque()

    def next(self) -> str:
        """The next key, as the letter that a Latin keyboard has there."""
        while not self._pressed:
            if self._source.closed:
                return QUIT
            select.select([self._source.fileno()], [], [])
            for press in self._source.read_keys():
                key = QUIT if press.key in _QUITS else str(press.key).lower()
                self._pressed.append(_ARABIC.get(key, key))
        return self._pressed.popleft()


@contextmanager
def key_presses() -> Iterator[KeyPresses]:
    """Keys as they are pressed; afterwards the terminal is as it was."""
    from prompt_toolkit.input import create_input

    source = create_input()
    with source.raw_mode():
        yield KeyPresses(source)
