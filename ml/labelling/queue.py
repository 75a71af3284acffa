"""What a reviewer should look at, most informative first.

Worth a look is what people or model and label disagree about, and the more the more messages are
like it: one decision settles them all.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import log2

from ml.data.health import address, conflicts
from ml.data.labels import Entry, decisions, standing
from ml.data.pseudonyms import pseudonymised
from ml.data.rows import Row
from ml.data.training import corrected_by_reviewers
from ml.judgement import Judgement
from ml.normalise import views

Judge = Callable[[Sequence[str]], Sequence[Judgement]]

_DOUBT_LEAST = 0.5  # what the model gives the other verdict, from which on a stored label is asked
_ABSTAINED = 0.1  # a message the model says nothing about teaches it little


@dataclass(frozen=True, slots=True)
class Item:
    """One message to decide about."""

    text: str
    why: str
    doubt: float  # from 0, settled, to 1, a contradiction
    alike: int = 1  # near-duplicates, or people who reported it
    previous: str = ""  # its label so far
    row: str = ""  # its place in the store, SOURCE:ID; then its text is not kept with the decision
    of: str = ""  # the entry that brought it here
    language: str = ""
    business: str = ""

    @property
    def worth(self) -> float:
        """How much a decision about it tells."""
        return self.doubt * log2(1 + self.alike)


def queue_of_store(rows: Sequence[Row], entries: Iterable[Entry], judge: Judge) -> list[Item]:
    """Contradictions, appeals, reports, and stored labels that the model doubts."""
    said = standing(entries)
    corrected, reviewed = corrected_by_reviewers(rows, said)
    items = _contradictory(corrected, reviewed)
    items += _brought(said)
    held = {item.row for item in items} | reviewed
    items += _doubted([row for row in corrected if address(row) not in held], judge)
    return _most_informative_first(items)


def queue_of_rows(rows: Sequence[Row], judge: Judge, threshold: float) -> list[Item]:
    """Messages of a file, labelled or not; those that read the same once."""
    first: dict[str, Row] = {}
    count: dict[str, int] = defaultdict(int)
    for row in rows:
        key = views(row.text).normalised
        first.setdefault(key, row)
        count[key] += 1
    asked = list(first.values())
    judgements = judge([row.text for row in asked])
    return _most_informative_first([
        Item(pseudonymised(row.text), "labelled otherwise" if row.label else "uncertain",
             _doubt(row, judgement) if row.label else _uncertainty(judgement, threshold),
             count[key], row.label, of=row.id, language=row.language)
        for (key, row), judgement in zip(first.items(), judgements, strict=True)
    ])  # fmt: skip


def _most_informative_first(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: -item.worth)


def _contradictory(rows: Sequence[Row], reviewed: set[str]) -> list[Item]:
    """Of each group labelled both ways one of either kind, until a reviewer confirmed it."""
    items = []
    for group in conflicts(rows):
        confirmed = {row.unwanted for row in group if address(row) in reviewed}
        for unwanted in (True, False):
            if unwanted in confirmed:
                continue
            row = next(row for row in group if row.unwanted == unwanted)
            other = next(row for row in group if row.unwanted != unwanted)
            why = f"labelled {row.label}, but the like of it ({address(other)}) {other.label}"
            items.append(_of_row(row, why, 1.0, len(group)))
    return items


def _brought(said: Sequence[Entry]) -> list[Item]:
    """Appeals and reports of messages that no reviewer has decided about."""
    reviews = [entry for entry in said if entry.kind == "review" and entry.text]
    decided = decisions(reviews, {entry.id: views(entry.text).normalised for entry in reviews})
    messages: dict[str, list[Entry]] = defaultdict(list)
    for entry in said:
        if entry.kind in ("appeal", "report"):
            messages[views(entry.text).normalised].append(entry)
    items = []
    for key, entries in messages.items():
        if key in decided:
            continue
        appeals = [entry for entry in entries if entry.kind == "appeal"]
        people = len({entry.by for entry in entries if entry.kind == "report"})
        first = (appeals or entries)[0]
        reported = f"reported by {people:,}" if people else ""
        why = ", ".join(filter(None, ["appealed" if appeals else "", reported]))
        items.append(Item(
            first.text, why, 1.0 if appeals else 1 - 1 / (1 + people), max(people, len(appeals)),
            first.previous or first.label, of=first.id, language=first.language,
            business=first.business,
        ))  # fmt: skip
    return items


def _doubted(rows: Sequence[Row], judge: Judge) -> list[Item]:
    """Of each group the row whose label the model believes least."""
    worst: dict[str, tuple[float, Row]] = {}
    sizes: dict[str, int] = defaultdict(int)
    for row, judgement in zip(rows, judge([row.text for row in rows]), strict=True):
        doubt = _doubt(row, judgement)
        sizes[row.group] += 1
        if doubt >= _DOUBT_LEAST and doubt > worst.get(row.group, (0.0, row))[0]:
            worst[row.group] = (doubt, row)
    return [
        _of_row(row, f"labelled {row.label}, but the model doubts it", doubt, sizes[row.group])
        for doubt, row in worst.values()
    ]


def _of_row(row: Row, why: str, doubt: float, alike: int) -> Item:
    return Item(row.text, why, doubt, alike, row.label, address(row), language=row.language)


def _doubt(row: Row, judgement: Judgement) -> float:
    if judgement.abstention:
        return _ABSTAINED
    return 1 - judgement.unwanted if row.unwanted else judgement.unwanted


def _uncertainty(judgement: Judgement, threshold: float) -> float:
    """One at the threshold at which it would be stopped, less the farther from it."""
    if judgement.abstention:
        return _ABSTAINED
    distance = judgement.unwanted - threshold
    return 1 - distance / (1 - threshold) if distance > 0 else 1 + distance / threshold
