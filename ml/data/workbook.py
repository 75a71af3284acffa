"""Reads the first sheet of an XLSX workbook (ECMA-376) as rows of text; works out no formula."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

# Expat limits what entities expand to, and a part that is too large is not read at all.
from xml.etree import ElementTree

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_SHEETS = re.compile(r"xl/worksheets/sheet(\d+)\.xml")
_STRINGS = "xl/sharedStrings.xml"
_PART_BYTES_MAX = 256 * 1024 * 1024
_LETTERS = re.compile(r"[A-Z]+")
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


class WorkbookUnreadable(Exception):
    """A file that is no workbook, or a damaged one."""


def read_workbook(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of the first sheet with their numbers; empty ones are left out.

    Raises WorkbookUnreadable and OSError.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sheets = [match for name in archive.namelist() if (match := _SHEETS.fullmatch(name))]
            if not sheets:
                raise WorkbookUnreadable("no workbook (XLSX) or one without a sheet")
            first = min(sheets, key=lambda match: int(match[1]))[0]
            strings = _strings(archive) if _STRINGS in archive.namelist() else []
            with _part(archive, first) as part:
                yield from _rows(part, strings)
    except (zipfile.BadZipFile, ElementTree.ParseError, IndexError, ValueError) as error:
        raise WorkbookUnreadable(f"no workbook (XLSX) or a damaged one: {error}") from error


def _part(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    if archive.getinfo(name).file_size > _PART_BYTES_MAX:
        raise WorkbookUnreadable(f"{name} is larger than {_PART_BYTES_MAX >> 20} MB")
    return archive.open(name)


def _strings(archive: zipfile.ZipFile) -> list[str]:
    with _part(archive, _STRINGS) as part:
        return [
            _text(item) for _, item in ElementTree.iterparse(part)  # noqa: S314
            if item.tag == f"{_MAIN}si"
        ]  # fmt: skip


def _rows(part: IO[bytes], strings: list[str]) -> Iterator[tuple[int, list[str]]]:
    number = 0
    for _, row in ElementTree.iterparse(part):  # noqa: S314
        if row.tag != f"{_MAIN}row":
            continue
        number = int(row.get("r") or number + 1)
        fields: list[str] = []
        for cell in row.iter(f"{_MAIN}c"):
            letters = _LETTERS.match(cell.get("r") or "")
            column = _column(letters[0]) if letters else len(fields)
            fields += [""] * (column - len(fields)) + [_value(cell, strings)]
        row.clear()
        if any(field.strip() for field in fields):
            yield number, fields


def _value(cell: ElementTree.Element, strings: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        return _text(cell)
    value = cell.findtext(f"{_MAIN}v") or ""
    return strings[int(value)] if cell.get("t") == "s" and value else value


def _text(element: ElementTree.Element) -> str:
    """All its text; what furigana says beside it is no part of it."""
    pieces = [
        piece.text or ""
        for run in (element, *element.iter(f"{_MAIN}r"), *element.iter(f"{_MAIN}is"))
        for piece in run.findall(f"{_MAIN}t")
    ]
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), "".join(pieces))


def _column(letters: str) -> int:
    number = 0
    for letter in letters[:3]:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
