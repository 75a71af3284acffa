"""Labelled messages from files of several formats; a bad line is named, the rest goes on."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml.corpus.patterns import FOLDS
from ml.data.records import BadLine, Layout, Record, read_records

# Labels of public data sets that say less than our four classes do, and what each may mean.
LABEL_MEANINGS = {
    "promotional": ("promotional",),
    "scam": ("scam",),
    "transactional": ("transactional",),
    "personal": ("personal",),
    "other_spam": ("promotional", "scam"),
    "unknown_ham": ("transactional", "personal"),
}
TEXT_LENGTH_MAX = 16_384  # four times the longest message; e-mail counts too
UNWANTED = ("promotional", "scam", "other_spam")

# What a column may be called where nobody says what it is called.
COLUMN_NAMES = {
    "id": ("id",),
    "text": ("text",),
    "label": ("label",),
    "language": ("lang", "language"),
    "source": ("source",),
    "group": ("group",),
    "licence": ("license", "licence"),
}
LANGUAGE = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]+)*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """One message of a file."""

    id: str
    text: str
    language: str
    label: str  # empty where the file has none
    source: str
    group: str  # near-duplicates share one
    licence: str = ""
    weight: float = 1.0  # what it counts in training; less than one where it was only reported

    @property
    def unwanted(self) -> bool:
        """Whether its label says that it should be stopped."""
        return self.label in UNWANTED

    @property
    def fold(self) -> int:
        """Which part for cross-validation it belongs to; near-duplicates to the same one."""
        return hashlib.blake2b(self.group.encode()).digest()[0] % FOLDS


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is to be read."""

    columns: Mapping[str, str] = field(default_factory=dict)  # ours: the file's, or its number
    labels: Mapping[str, str] = field(default_factory=dict)  # the file's, in lower case: ours
    language: str = ""  # of rows that name none
    source: str = ""  # of rows that name none; the file's name if not given
    layout: Layout = field(default_factory=Layout)
    for_keeping: bool = False  # a row must have a label, and a length that is kept


def read_rows(path: Path, reading: Reading | None = None) -> Iterator[Row | BadLine]:
    """Every line of a file, as a row or as what is wrong with it.

    Raises OSError, and FileUnusable where it is not a file of that format.
    """
    reading = reading or Reading()
    for record in read_records(path, reading.layout, reading.columns):
        yield record if isinstance(record, BadLine) else _row(record, reading, path.name)


def _row(record: Record, reading: Reading, file_name: str) -> Row | BadLine:
    number, data = record.number, record.data
    text = _value(data, "text", reading)
    if not isinstance(text, str) or not text.strip():
        return BadLine(number, "no text")
    if _has_half_character(text):
        return BadLine(number, "half a character in the text (a lone surrogate)")
    given = _value(data, "label", reading)
    label = _label(given, reading)
    if label is None:
        known = f": say one of {', '.join(LABEL_MEANINGS)}" if reading.for_keeping else ""
        return BadLine(number, f"unknown label {str(given)[:40]!r}{known}")
    if reading.for_keeping and not label:
        return BadLine(number, f"no label: say one of {', '.join(LABEL_MEANINGS)}")
    if reading.for_keeping and len(text) > TEXT_LENGTH_MAX:
        return BadLine(number, f"longer than {TEXT_LENGTH_MAX:,} characters")
    language = str(_value(data, "language", reading) or reading.language).strip()
    parsed = LANGUAGE.fullmatch(language)
    if language and parsed is None:
        return BadLine(number, f"unknown language {language[:40]!r}: use ISO 639-1, as in 'en'")
    id_ = str(_value(data, "id", reading) or number)
    row = Row(
        id=id_,
        text=text,
        language=parsed[1].lower() if parsed else "",
        label=label,
        source=str(_value(data, "source", reading) or reading.source or file_name),
        group=str(_value(data, "group", reading) or id_),
        licence=str(_value(data, "licence", reading) or ""),
    )
    if _has_half_character(row.id + row.source + row.group + row.licence):
        return BadLine(number, "half a character (a lone surrogate)")
    return row


def _value(data: Mapping[str, Any], ours: str, reading: Reading) -> Any:
    named = reading.columns.get(ours)
    if named is not None:
        return data.get(named)
    return next((data[name] for name in COLUMN_NAMES[ours] if data.get(name) is not None), None)


def _label(given: object, reading: Reading) -> str | None:
    """Our label for what the file says, empty where it says nothing; none where it is unknown."""
    name = "" if given is None else str(given).strip().lower()
    label = reading.labels.get(name, name)
    return label if not label or label in LABEL_MEANINGS else None


def _has_half_character(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
