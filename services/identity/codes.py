"""Owns the sending of codes to phones: what a sender is, and those for one machine.

A code and a number go to the phone that they are for and nowhere else; in particular they never go
through the logger. On one machine the phone is the terminal, or a file that only its owner reads.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from pathlib import Path
from typing import Protocol, TextIO

from services.identity.domain.phone_numbers import PhoneNumber
from services.kit.clock import Clock

_DIGITS = 6


def new_code() -> str:
    """Six random digits."""
    return f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"


class CodeNotSent(Exception):
    """The sender could not hand the code on. Says why, without the number."""


class CodeSender(Protocol):
    """Brings a code to a phone."""

    async def send(self, phone_number: PhoneNumber, code: str) -> None:
        """Return once somebody else answers for its arrival. Raises CodeNotSent."""


class ConsoleCodeSender:
    """Shows codes in the terminal that the service was started from."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    async def send(self, phone_number: PhoneNumber, code: str) -> None:
        text = f"☎ {phone_number.e164}: your Hudhud code is {code} · رمز هدهد الخاص بك {code}\n"
        await asyncio.to_thread(self._write, text)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError) as error:
            raise CodeNotSent(f"the terminal is gone: {type(error).__name__}") from error


class FileCodeSender:
    """Appends codes to a file that only its owner may read, as JSON lines:
    `{"time": "2026-01-01T00:00:00+00:00", "phone_number": "+963944123456", "code": "123456"}`.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    async def send(self, phone_number: PhoneNumber, code: str) -> None:
        fields = {
            "time": self._clock.now().isoformat(),
            "phone_number": phone_number.e164,
            "code": code,
        }
        await asyncio.to_thread(self._append, json.dumps(fields).encode() + b"\n")

    def _append(self, line: bytes) -> None:
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                # One write, so that the lines of several replicas do not mix.
                os.write(file, line)
            finally:
                os.close(file)
        except OSError as error:
            raise CodeNotSent(f"the file of codes cannot be written: {error.strerror}") from error
