"""A bad line is named by its number, and the rest goes on."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ml.corpus.patterns import FOLDS
from ml.data import BadLine, Row, read_rows

LINES = b"\n".join(
    [
        b'{"id": "a", "text": "hello", "lang": "en", "label": "personal", "group": "g"}',
        b"{not json",
        b'["a list"]',
        b'{"id": "d", "text": ""}',
        b'{"id": "e", "text": "hi", "label": "spammy"}',
        b'{"id": "f", "text": 7}',
        b'{"id": "g", "text": "\xff"}',
        b"",
        '{"text": "مرحبا"}'.encode(),
    ]
)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_lines_are_rows_or_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(LINES) if name.endswith(".gz") else LINES)

    rows = list(read_rows(path))

    assert rows[0] == Row("a", "hello", "en", "personal", name, "g")
    assert [line.number for line in rows if isinstance(line, BadLine)] == [2, 3, 4, 5, 6, 7]
    assert [line.reason for line in rows if isinstance(line, BadLine)] == [
        "not JSON", "not a JSON object", "no text", "unknown label 'spammy'", "no text",
        "not UTF-8",
    ]  # fmt: skip
    assert rows[-1] == Row("9", "مرحبا", "", "", name, "9")
    assert {row.fold for row in rows if isinstance(row, Row)} <= set(range(FOLDS))
