"""Keeps what people said in an append-only file: each entry on the disk before anything goes on."""

import fcntl
import json
import os
from collections.abc import Iterable
from pathlib import Path

from ml.data.labels import Entry, EntryMalformed, parse_entry
from ml.data.records import BadLine, Layout, read_records


def read_entries(path: Path) -> tuple[list[Entry], list[BadLine]]:
    """The entries of a file, and the lines that are none. Raises OSError and FileUnusable."""
    entries: list[Entry] = []
    bad: list[BadLine] = []
    for record in read_records(path, Layout("jsonl"), {}):
        if isinstance(record, BadLine):
            bad.append(record)
            continue
        try:
            entries.append(parse_entry(record.data))
        except EntryMalformed as error:
            bad.append(BadLine(record.number, str(error)))
    return entries, bad


def append_entries(path: Path, entries: Iterable[Entry]) -> None:
    """Writes entries behind the last one, in one go.

    Raises OSError, and EntryMalformed where one could not be read back; then none is written.
    """
    append_lines(path, [json.dumps(parse_entry(entry.as_data()).as_data(), ensure_ascii=False)
                        for entry in entries])  # fmt: skip


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Writes lines behind the last one; when this returns they are on the disk. Raises OSError."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end = file.seek(0, os.SEEK_END)
        # A line that was cut short ends here, so that it takes the next one with it no more.
        cut_short = end > 0 and os.pread(file.fileno(), 1, end - 1) != b"\n"
        file.write(("\n" * cut_short + "".join(f"{line}\n" for line in lines)).encode())
        file.flush()
        os.fsync(file.fileno())
