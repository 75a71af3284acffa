"""Owns how often an outage is told: its beginning, its changes, twice a minute, and its end."""

from __future__ import annotations

import logging

from services.kit.clock import Clock

REPEAT_SECONDS = 30.0


class Troubles:
    """Keeps a loop that retries twice a second from filling the log with one sentence."""

    def __init__(self, logger: logging.Logger, name: str, clock: Clock) -> None:
        """Prefix each line with `name`."""
        self._logger = logger
        self._name = name
        self._clock = clock
        self._reason: str | None = None
        self._told = 0.0

    def tell(self, reason: str) -> None:
        """Something is wrong and will be tried again."""
        now = self._clock.monotonic()
        if reason != self._reason or now - self._told >= REPEAT_SECONDS:
            self._reason, self._told = reason, now
            self._logger.warning("%s: %s; trying again", self._name, reason)

    def over(self) -> None:
        """It works (again)."""
        if self._reason is not None:
            self._reason = None
            self._logger.info("%s: works again", self._name)
