"""A reviewer's desk: the message in front of them, and what they decided; kept as they decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from ml.data.labels import Entry
from ml.data.store import Store
from ml.judgement import UNKNOWN_LANGUAGE
from ml.labelling.queue import Item


@dataclass(frozen=True, slots=True)
class _Step:
    item: Item
    entry: Entry | None  # none where it was skipped


class Desk:
    """Goes through a queue. Every decision is on the disk before the next message is shown."""

    def __init__(self, store: Store, items: Sequence[Item], reviewer: str, model: str) -> None:
        self._store = store
        self._items = items
        self._reviewer = reviewer
        self._model = model
        self._steps: list[_Step] = []

    @property
    def current(self) -> Item | None:
        """The message to decide about; none at the end."""
        return self._items[len(self._steps)] if len(self._steps) < len(self._items) else None

    @property
    def place(self) -> tuple[int, int]:
        """Which message of how many."""
        return min(len(self._steps) + 1, len(self._items)), len(self._items)

    @property
    def decided(self) -> int:
        return sum(step.entry is not None for step in self._steps)

    def decide(self, label: str, language: str) -> None:
        """Keeps a decision about the current message. Raises OSError.

        `language` is the model's opinion, for a message that names none.
        """
        item = self.current
        assert item is not None
        told = "" if language == UNKNOWN_LANGUAGE else language
        entry = Entry(
            id=f"review {uuid4()}", kind="review", time=_now(), by=self._reviewer,
            business=item.business, text="" if item.row else item.text, label=label,
            language=item.language or told, model=self._model, previous=item.previous,
            of=item.row or item.of,
        )  # fmt: skip
        self._store.say([entry])
        self._steps.append(_Step(item, entry))

    def skip(self) -> None:
        """Leaves the current message for another time."""
        assert self.current is not None
        self._steps.append(_Step(self.current, None))

    def undo(self) -> bool:
        """Takes the last step back; whether there was one. Raises OSError."""
        if not self._steps:
            return False
        if entry := self._steps[-1].entry:
            self._store.say([withdrawal(entry.id, self._reviewer, "undone")])
        self._steps.pop()
        return True


def withdrawal(of: str, by: str, reason: str) -> Entry:
    """What takes an entry back."""
    return Entry(f"withdrawal {uuid4()}", "withdrawal", _now(), by, of=of, reason=reason)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
