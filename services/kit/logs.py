"""Owns what a process says: readable lines on a terminal, one JSON object a line in a cluster.

Records carry ids, never content and never a whole phone number:
`log.info("account opened", extra={"business_id": business_id})`. What is given as `extra` becomes a
field of its own. JSON logs add the ids of the trace that a line belongs to. The message of an
unforeseen exception may quote what it failed on, so JSON logs tell its type and where it happened,
and leave the message to terminals.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import Literal, TextIO

from services.kit import traces

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_IDS = frozenset({"trace_id", "span_id"})  # for machines: a person has no use for them
_COLOURS = {"DEBUG": "\x1b[2m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m"}


def configure(
    service: str,
    log_format: Literal["text", "json"] = "text",
    level: str = "INFO",
    stream: TextIO | None = None,
) -> None:
    """Send every logger of this process to `stream` (stderr) in the given format."""
    # gRPC's own lines are not in our format, and tell of every connection that ends.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        JsonFormatter(service)
        if log_format == "json"
        else TextFormatter(service, colour=stream.isatty())
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)


def fields(record: logging.LogRecord) -> dict[str, str]:
    """What was given as `extra`."""
    return {
        name: str(value)
        for name, value in vars(record).items()
        if name not in _STANDARD and not name.startswith("_")
    }


class JsonFormatter(logging.Formatter):
    """One JSON object for each record."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
            **traces.log_ids(record.exc_info[1] if record.exc_info else None),
            **fields(record),
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__qualname__
            line["frames"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """One line for each record, and the stack of an exception below it."""

    def __init__(self, service: str, *, colour: bool) -> None:
        super().__init__()
        self._service = service
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
        line = f"{time} {self._service:<9} {record.levelname:<7} {record.getMessage()}"
        given = [f"{name}={value}" for name, value in fields(record).items() if name not in _IDS]
        if given:
            line += "  " + " ".join(given)
        if record.exc_info and record.exc_info[0]:
            line += "\n" + self.formatException(record.exc_info)
        colour = _COLOURS.get(record.levelname, "") if self._colour else ""
        return f"{colour}{line}\x1b[0m" if colour else line
