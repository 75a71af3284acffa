"""Labelled messages from JSON Lines files; a bad line is named, the rest goes on."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ml.corpus.patterns import FOLDS

# Labels of public data sets that say less than our four classes do, and what each may mean.
LABEL_MEANINGS = {
    "promotional": ("promotional",),
    "scam": ("scam",),
    "transactional": ("transactional",),
    "personal": ("personal",),
    "other_spam": ("promotional", "scam"),
    "unknown_ham": ("transactional", "personal"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One message of a file."""

    id: str
    text: str
    language: str
    label: str  # empty where the file has none
    source: str
    group: str  # near-duplicates share one

    @property
    def fold(self) -> int:
        """Which part for cross-validation it belongs to; near-duplicates to the same one."""
        return hashlib.blake2b(self.group.encode()).digest()[0] % FOLDS


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no message, and why."""

    number: int
    reason: str


def read_rows(path: Path) -> Iterator[Row | BadLine]:
    """Every line of a file, as a row or as what is wrong with it. Raises OSError."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _row(line, number, path.name)


def _row(line: bytes, number: int, source: str) -> Row | BadLine:
    try:
        data = json.loads(line)
    except UnicodeDecodeError:
        return BadLine(number, "not UTF-8")
    except ValueError:
        return BadLine(number, "not JSON")
    if not isinstance(data, dict):
        return BadLine(number, "not a JSON object")
    text = data.get("text")
    if not isinstance(text, str) or not text.strip():
        return BadLine(number, "no text")
    label = data.get("label") or ""
    if label and label not in LABEL_MEANINGS:
        return BadLine(number, f"unknown label {str(label)[:40]!r}")
    id_ = str(data.get("id", number))
    return Row(id_, text, str(data.get("lang") or ""), label,
               str(data.get("source") or source), str(data.get("group") or id_))  # fmt: skip
