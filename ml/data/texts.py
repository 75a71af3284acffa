"""Messages to be judged, out of a file: the id and the text of each line, and nothing else of it.

Whatever label or language a line claims, and however: its text can be judged all the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ml.data.records import BadLine, Layout, read_records
from ml.data.rows import COLUMN_NAMES


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a file. An empty text is a text."""

    id: str  # the number of its line where it has none
    text: str


def read_texts(path: Path) -> Iterator[Message | BadLine]:
    """Every line of a file, as a message or as what is wrong with it.

    Raises OSError, and FileUnusable where it is not a file of that format.
    """
    for record in read_records(path, Layout(), {}):
        if isinstance(record, BadLine):
            yield record
            continue
        text, id_ = (
            next((record.data[name] for name in COLUMN_NAMES[ours]
                  if record.data.get(name) is not None), None)
            for ours in ("text", "id")
        )  # fmt: skip
        message = Message(str(record.number if id_ is None else id_), str(text))
        if not isinstance(text, str):
            yield BadLine(record.number, "no text")
        elif any("\ud800" <= character <= "\udfff" for character in message.id + text):
            yield BadLine(record.number, "half a character (a lone surrogate)")
        else:
            yield message
