"""Owns how long to wait before trying again: ever longer, and not everybody at one moment."""

from __future__ import annotations

import random
from typing import Final

FACTOR: Final = 3.0
SPREAD: Final = 0.2  # gRPC's own: its channels and retried calls wait alike


class Backoff:
    """The pauses of one loop that tries again."""

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._seconds = first_seconds

    def pause_seconds(self) -> float:
        """How long to wait this time."""
        seconds = self._seconds
        self._seconds = min(seconds * FACTOR, self._longest_seconds)
        return seconds * random.uniform(1 - SPREAD, 1 + SPREAD)

    def over(self) -> None:
        """It worked: the next pause is the first again."""
        self._seconds = self._first_seconds
