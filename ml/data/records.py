"""Reads records out of files: JSON Lines, CSV, TSV and XLSX, packed with gzip or not."""

import csv
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.data.workbook import WorkbookUnreadable, read_workbook
from ml.errors import FileUnusable

FORMATS = ("jsonl", "csv", "tsv", "xlsx")
RECORD_LENGTH_MAX = 128 * 1024  # characters; a longer one is a quote that is never closed
_SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".xlsx": "xlsx"}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no message, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """What one line says; `number` is that of its first line, from 1."""

    number: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file looks like."""

    format: str = ""  # one of FORMATS; by the file's name if empty, and JSON Lines if that is mute
    header: bool = True  # whether the first line of a table names its columns
    quotes: bool = True  # whether quotation marks enclose fields of a table


def read_records(
    path: Path, layout: Layout, columns: Mapping[str, str]
) -> Iterator[Record | BadLine]:
    """Every record of a file, or what is wrong with it. Blank lines are none.

    `columns` names columns that a table must have. Raises OSError and FileUnusable.
    """
    packed = path.suffix == ".gz"
    suffix = path.with_suffix("").suffix if packed else path.suffix
    format_ = layout.format or _SUFFIXES.get(suffix.lower(), "jsonl")
    if format_ == "xlsx":
        try:
            yield from _table(read_workbook(path), layout, columns)
        except WorkbookUnreadable as error:
            raise FileUnusable(f"{path.name}: {error}") from error
        return
    with gzip.open(path, "rb") if packed else path.open("rb") as file:
        if not packed and file.read(2) in _UTF_16:
            raise FileUnusable(f"{path.name} is UTF-16. Save it as UTF-8.")
        file.seek(0)
        lines = _Lines(file)
        if format_ == "jsonl":
            yield from _json_lines(lines)
        else:
            dialect = _Rows(lines, "\t" if format_ == "tsv" else ",", layout.quotes)
            yield from _table(dialect, layout, columns)
        if lines.broken:
            yield BadLine(lines.number + 1, f"the file ends in the middle: {lines.broken}")


class _Lines:
    """The lines of a file. Where a packed file is broken they end, and `broken` says why."""

    def __init__(self, file: Iterable[bytes]) -> None:
        self.number = 0
        self.broken = ""
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        try:
            for line in self._file:
                self.number += 1
                yield line
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.broken = str(error)

    def decoded(self, line: bytes, errors: str = "strict") -> str:
        """The line that was read last as text, without the mark that some programs put first."""
        return line.decode("utf-8-sig" if self.number == 1 else "utf-8", errors)


def _json_lines(lines: _Lines) -> Iterator[Record | BadLine]:
    for line in lines:
        if not line.strip():
            continue
        try:
            data = json.loads(lines.decoded(line))
        except UnicodeDecodeError:
            yield BadLine(lines.number, "not UTF-8")
        except (ValueError, RecursionError):
            yield BadLine(lines.number, "not JSON")
        else:
            if isinstance(data, dict):
                yield Record(lines.number, data)
            else:
                yield BadLine(lines.number, "not a JSON object")


class _Rows:
    """The rows of a table of separated values, each with the number of its first line."""

    def __init__(self, lines: _Lines, delimiter: str, quotes: bool) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._quotes = quotes

    def __iter__(self) -> Iterator[tuple[int, list[str]] | BadLine]:
        csv.field_size_limit(RECORD_LENGTH_MAX)
        # What is not UTF-8 becomes half characters, so that only its own record is refused.
        reader = csv.reader(
            (self._lines.decoded(line, "surrogateescape") for line in self._lines),
            delimiter=self._delimiter,
            quoting=csv.QUOTE_MINIMAL if self._quotes else csv.QUOTE_NONE,
        )
        while True:
            first = self._lines.number + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:
                last = self._lines.number
                yield BadLine(
                    first,
                    f"too long up to line {last}: a quotation mark is never closed? "
                    "(--no-quotes takes them as they are)",
                )
                continue
            if not any(field.strip() for field in row):
                continue
            try:
                "".join(row).encode()
            except UnicodeEncodeError:
                yield BadLine(first, "not UTF-8")
            else:
                yield first, row


def _table(
    rows: "_Rows | Iterator[tuple[int, list[str]]]", layout: Layout, columns: Mapping[str, str]
) -> Iterator[Record | BadLine]:
    """Records of a table: by the names of its columns, in lower case too, and by their numbers."""
    names: list[str] | None = None if layout.header else []
    for row in rows:
        if isinstance(row, BadLine):
            yield row
            continue
        number, fields = row
        if names is None:
            names = [name.strip() for name in fields]
            _require(columns, names)
            continue
        if names and len(fields) > len(names):
            yield BadLine(number, f"{len(fields)} fields where there are {len(names)} columns")
            continue
        data = {str(at): field for at, field in enumerate(fields, 1)}
        data |= {name.lower(): field for name, field in zip(names, fields, strict=False)}
        data |= dict(zip(names, fields, strict=False))
        yield Record(number, data)


def _require(columns: Mapping[str, str], names: list[str]) -> None:
    numbers = [str(at) for at in range(1, len(names) + 1)]
    for ours, theirs in columns.items():
        if theirs not in (*names, *numbers):
            raise FileUnusable(
                f"No column {theirs!r} for {ours}. The columns are: {', '.join(names)}."
            )
