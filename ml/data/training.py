"""What a training learns from the store: its messages, as reviewers corrected them, and reports.

Left out, and counted by reason, is what would teach something false: contradictions nobody has
settled, and unwanted messages of a language of which no innocent one is known.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ml.data.duplicates import clusters
from ml.data.health import address, conflicts, without_innocent
from ml.data.labels import Entry, decisions, standing, weigh_reports
from ml.data.rows import Row
from ml.normalise import views

REVIEWS, REPORTS = "reviews", "reports"  # the sources of rows that people's words make


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Rows to learn from, and how many were left out for which reason."""

    rows: list[Row]
    left_out: dict[str, int]


def training_set(
    stored: Sequence[Row], entries: Iterable[Entry], innocent_languages: Collection[str]
) -> TrainingSet:
    """`innocent_languages` are those of which innocent messages are known from elsewhere."""
    left_out: Counter[str] = Counter()
    said = standing(entries)
    corrected, reviewed = corrected_by_reviewers(stored, said)
    rows = _without_conflicts(corrected, reviewed, left_out)
    rows = _with_labels(rows, reviewed, [entry for entry in said if entry.text], left_out)
    rows = _once(rows, left_out)
    untaught = without_innocent(rows, innocent_languages)
    kept = [row for row in rows if not (row.unwanted and row.language in untaught)]
    left_out["no innocent message of their language"] += len(rows) - len(kept)
    return TrainingSet(kept, {reason: count for reason, count in left_out.items() if count})


def corrected_by_reviewers(
    stored: Sequence[Row], said: Iterable[Entry]
) -> tuple[list[Row], set[str]]:
    """The rows with the labels that reviewers gave them, and which of them they reviewed."""
    reviews = [entry for entry in said if entry.kind == "review" and not entry.text]
    decided = decisions(reviews, {entry.id: entry.of for entry in reviews})
    rows = [
        replace(row, label=decided[address(row)].label) if address(row) in decided else row
        for row in stored
    ]
    return rows, {str(place) for place in decided}


def _without_conflicts(
    rows: Sequence[Row], reviewed: Collection[str], left_out: Counter[str]
) -> list[Row]:
    """Of a group labelled both ways what a reviewer confirmed, and what is labelled like it."""
    confirmed = {
        group[0].group: {row.unwanted for row in group if address(row) in reviewed}
        for group in conflicts(rows)
    }
    kept = [row for row in rows if row.unwanted in confirmed.get(row.group, {row.unwanted})]
    left_out["near-duplicates labelled both ways"] += len(rows) - len(kept)
    return kept


def _with_labels(
    rows: list[Row], reviewed: Collection[str], said: Sequence[Entry], left_out: Counter[str]
) -> list[Row]:
    """The rows, and what people said about messages that are not in the store."""
    said = [entry for entry in said if entry.kind in ("review", "report")]
    if not said:
        return rows
    groups: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        groups[row.group].append(place)
    roots = clusters([*(row.text for row in rows), *(entry.text for entry in said)],
                     [places for places in groups.values() if len(places) > 1])  # fmt: skip
    cluster_of = dict(zip((entry.id for entry in said), roots[len(rows) :], strict=True))
    reviews = [entry for entry in said if entry.kind == "review"]
    decided = decisions(reviews, {entry.id: views(entry.text).normalised for entry in reviews})
    settled = {cluster_of[entry.id] for entry in reviews}
    kept = [
        row for root, row in zip(roots, rows, strict=False)
        if root not in settled or address(row) in reviewed or not _contradicted(row, decided)
    ]  # fmt: skip
    left_out["contradicted by a reviewer"] += len(rows) - len(kept)
    settled |= {root for root, row in zip(roots, rows, strict=False) if not row.unwanted}
    reports = [
        entry for entry in said
        if entry.kind == "report" and entry.language and cluster_of[entry.id] not in settled
    ]  # fmt: skip
    left_out["reports without a language, or of what is labelled better"] += (
        len(said) - len(reviews) - len(reports)
    )
    weighed = weigh_reports(reports, cluster_of, len(kept))
    counted = [(entry, entry.label, REVIEWS, 1.0) for entry in decided.values()]
    counted += [(each.entry, each.label, REPORTS, each.weight) for each in weighed.values()]
    return kept + [
        Row(entry.id, entry.text, entry.language, label, source,
            _group(cluster_of[entry.id], rows, entry), weight=weight)
        for entry, label, source, weight in counted
    ]  # fmt: skip


def _contradicted(row: Row, decided: Mapping[object, Entry]) -> bool:
    """Whether a reviewer said otherwise of the same message. Numbers do not make it another."""
    decision = decided.get(views(row.text).normalised)
    return decision is not None and decision.unwanted != row.unwanted


def _group(root: int, rows: Sequence[Row], entry: Entry) -> str:
    """The group of the stored messages that an entry's text is like, or one of its own."""
    if root < len(rows):
        return rows[root].group
    return "l" + hashlib.blake2b(entry.id.encode(), digest_size=6).hexdigest()


def _once(rows: Iterable[Row], left_out: Counter[str]) -> list[Row]:
    """Of the same text with the same label in several sources the first."""
    kept: dict[tuple[str, str], Row] = {}
    for row in rows:
        if kept.setdefault((row.text, row.label), row) is not row:
            left_out["the same message in two sources"] += 1
    return list(kept.values())
