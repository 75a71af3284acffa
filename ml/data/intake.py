"""Takes labelled messages into the store: each is added, a duplicate, or named as unusable.

What identifies people goes before anything is kept; near-duplicates of all sources become groups.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ml.data.duplicates import clusters
from ml.data.health import conflicts
from ml.data.pseudonyms import pseudonymised
from ml.data.records import BadLine
from ml.data.rows import Row
from ml.data.store import Addition, Change, Source

Progress = Callable[[str, int, int | None], None]  # what is being done, how many done, of how many


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where messages come from."""

    file: str
    sha256: str
    licence: str = ""
    citation: str = ""
    url: str = ""


@dataclass(slots=True)
class Outcome:
    """What became of every line of a file."""

    added: list[Row] = field(default_factory=list)
    duplicates: int = 0
    bad: list[BadLine] = field(default_factory=list)
    changed: int = 0  # texts in which something was pseudonymised
    near_duplicates: int = 0  # added messages that are of a group with another one
    conflicts: list[list[Row]] = field(default_factory=list)

    @property
    def lines(self) -> int:
        return len(self.added) + self.duplicates + len(self.bad)


def take_in(
    change: Change, stored: Sequence[Row], lines: Iterable[Row | BadLine], origin: Provenance,
    progress: Progress, trusted: dict[str, str] | None = None,
) -> Outcome:  # fmt: skip
    """Adds messages to the store in one step: either all that can be used, or none.

    `stored` is what the store holds; `trusted` further digests to remember. Adding the same again
    changes nothing.
    """
    outcome = Outcome()
    duplicates: Counter[str] = Counter()
    known = {(row.source, row.text, row.label) for row in stored}
    ids = {(row.source, row.id) for row in stored}
    for done, line in enumerate(lines, 1):
        if done % 500 == 0:
            progress("reading", done, None)
        if isinstance(line, BadLine):
            outcome.bad.append(line)
            continue
        row = replace(
            line, text=pseudonymised(line.text), licence=origin.licence or line.licence,
            group="" if line.group == line.id else line.group,
        )  # fmt: skip
        outcome.changed += row.text != line.text
        if (row.source, row.text, row.label) in known:
            duplicates[row.source] += 1
            continue
        row = replace(row, id=_free_id(row, ids))
        known.add((row.source, row.text, row.label))
        ids.add((row.source, row.id))
        outcome.added.append(row)
    outcome.duplicates = duplicates.total()
    rows = _grouped(stored, outcome.added, progress)
    outcome.added = rows[len(stored) :]
    sizes = Counter(row.group for row in rows)
    outcome.near_duplicates = sum(sizes[row.group] > 1 for row in outcome.added)
    fresh = {row.group for row in outcome.added}
    outcome.conflicts = [group for group in conflicts(rows) if group[0].group in fresh]
    usable = bool(outcome.added or outcome.duplicates)
    _commit(change, stored, rows, outcome, duplicates, origin, (trusted or {}) if usable else {})
    return outcome


def _free_id(row: Row, taken: set[tuple[str, str]]) -> str:
    """The row's own id, or one made of its content where another row has it."""
    if (row.source, row.id) not in taken:
        return row.id
    return f"{row.id}-{_digest(row.source, row.text, row.label)}"


def _grouped(stored: Sequence[Row], added: Sequence[Row], progress: Progress) -> list[Row]:
    """All rows, with the group each belongs to now that the added ones are there."""
    rows = [*stored, *added]
    if not added:
        return rows
    given: dict[tuple[bool, str], list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        if row.group:
            given[place < len(stored), row.group].append(place)
    roots = clusters(
        [row.text for row in rows],
        [places for places in given.values() if len(places) > 1],
        lambda done, of: progress("looking for near-duplicates", done, of),
    )
    return [
        replace(row, group=_group_of(root, rows, len(stored)))
        for row, root in zip(rows, roots, strict=True)
    ]


def _group_of(root: int, rows: Sequence[Row], stored: int) -> str:
    """The name of a group: a stored one keeps its own."""
    first = rows[root]
    return first.group if root < stored else "g" + _digest(first.source, first.id, first.text)


def _commit(
    change: Change, stored: Sequence[Row], rows: Sequence[Row], outcome: Outcome,
    duplicates: Counter[str], origin: Provenance, trusted: dict[str, str],
) -> None:  # fmt: skip
    fresh: dict[str, list[Row]] = defaultdict(list)
    for row in outcome.added:
        fresh[row.source].append(row)
    touched = {old.source for old, new in zip(stored, rows, strict=False) if old != new} | {*fresh}
    trusted = {**change.manifest.trusted, **trusted}
    if not touched and trusted == change.manifest.trusted:
        return
    kept: dict[str, list[Row]] = {name: [] for name in touched}
    for row in rows:
        if row.source in touched:
            kept[row.source].append(row)
    sources = dict(change.manifest.sources)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for name, added in fresh.items():
        before = sources.get(name, Source("", "", 0))
        addition = Addition(
            origin.file, origin.sha256, now, len(added), duplicates[name], len(outcome.bad),
            origin.url,
        )  # fmt: skip
        licences = {before.licence, *(row.licence for row in added)} - {""}
        sources[name] = replace(
            before,
            licence="; ".join(sorted(licences)),
            citation=origin.citation or before.citation,
            additions=(*before.additions, addition),
        )
    change.commit(sources, kept, trusted)


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=6).hexdigest()
