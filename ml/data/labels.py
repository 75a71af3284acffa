"""What people said about messages: reports, appeals, reviews, withdrawals, and what each weighs.

The format is described in README.md. Everything here is pure: entries in, rows with weights out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ml.data.rows import LABEL_MEANINGS, LANGUAGE, TEXT_LENGTH_MAX, UNWANTED
from ml.errors import DataRefused

KINDS = ("report", "appeal", "review", "withdrawal")
_ID_LENGTH_MAX = 200
_FIELD_LENGTH_MAX = 1_000


class EntryMalformed(DataRefused):
    """A line that is no entry; says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that somebody said."""

    id: str
    kind: str
    time: str  # RFC 3339
    by: str
    business: str = ""
    text: str = ""
    label: str = ""
    language: str = ""
    model: str = ""
    previous: str = ""
    of: str = ""  # the id of another entry, or SOURCE:ID of a row of the store
    reason: str = ""

    @property
    def unwanted(self) -> bool:
        """Whether who said it wants such messages stopped."""
        return self.label in UNWANTED

    def as_data(self) -> dict[str, str]:
        """As it is written: what is empty is left out."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True)
class Caps:
    """How far what people report can move the model; in weights of one ordinary message.

    One message at full weight is enough to have texts like it stopped. At a twentieth for all that
    one business sent it moves their probability by a few hundredths, so a pattern has to come from
    many businesses before it is learned; for a single one there is the reviewers' queue.
    """

    clusters_by_reporter: float = 20.0
    weight_by_business: float = 0.05
    weight_least: float = 20.0  # all reports together, where there is little else
    share_of_others: float = 0.05  # the same, of all other messages


@dataclass(frozen=True, slots=True)
class Weighed:
    """One cluster of near-duplicates that people reported, and what it counts."""

    entry: Entry  # whose text stands for the cluster
    label: str
    weight: float


def parse_entry(data: object) -> Entry:
    """Raises EntryMalformed."""
    if not isinstance(data, dict):
        raise EntryMalformed("not a JSON object")
    if unknown := sorted(set(data) - set(Entry.__slots__)):
        raise EntryMalformed(f"unknown field {str(unknown[0])[:40]!r}")
    for name, value in data.items():
        _check_field(name, value)
    for name in ("id", "kind", "time", "by"):
        if not data.get(name):
            raise EntryMalformed(f"no {name}")
    entry = Entry(**data)
    _check_time(entry.time)
    if entry.kind not in KINDS:
        raise EntryMalformed(f"unknown kind {entry.kind[:40]!r}: one of {', '.join(KINDS)}")
    if entry.language and not LANGUAGE.fullmatch(entry.language):
        raise EntryMalformed(f"unknown language {entry.language[:40]!r}")
    _check_kind(entry)
    return entry


def _check_field(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise EntryMalformed(f"{name} is no string")
    longest = {"id": _ID_LENGTH_MAX, "text": TEXT_LENGTH_MAX}.get(name, _FIELD_LENGTH_MAX)
    if len(value) > longest:
        raise EntryMalformed(f"{name} is longer than {longest:,} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise EntryMalformed(f"half a character in {name} (a lone surrogate)") from None


def _check_time(time: str) -> None:
    try:
        zone = datetime.fromisoformat(time).tzinfo
    except ValueError:
        zone = None
    if zone is None:
        raise EntryMalformed(f"{time[:40]!r} is no time with a zone (RFC 3339)")


def _check_kind(entry: Entry) -> None:
    """What each kind must say and may not."""
    if entry.kind == "withdrawal":
        if not entry.of or entry.label or entry.text:
            raise EntryMalformed("a withdrawal names an entry in `of`, and no text or label")
        return
    if entry.label not in LABEL_MEANINGS:
        known = ", ".join(LABEL_MEANINGS)
        raise EntryMalformed(f"unknown label {entry.label[:40]!r}: one of {known}")
    if entry.kind == "report" and not entry.unwanted:
        raise EntryMalformed(f"a report does not say {entry.label}")
    if entry.kind == "appeal" and entry.unwanted:
        raise EntryMalformed(f"an appeal does not say {entry.label}")
    if entry.kind in ("report", "appeal") and not entry.business:
        raise EntryMalformed("no business")
    if not entry.text.strip() and not (entry.kind == "review" and entry.of):
        raise EntryMalformed("no text")


def standing(entries: Iterable[Entry]) -> list[Entry]:
    """What is still said: without withdrawals and what they withdraw; each id once."""
    known: dict[str, Entry] = {}
    for entry in entries:
        known.setdefault(entry.id, entry)
    withdrawn = {entry.of for entry in known.values() if entry.kind == "withdrawal"}
    return [
        entry for entry in known.values()
        if entry.kind != "withdrawal" and entry.id not in withdrawn
    ]  # fmt: skip


def decisions(reviews: Iterable[Entry], message_of: Mapping[str, object]) -> dict[object, Entry]:
    """What the reviewers decided about each message, in the words of the latest of them.

    `message_of` says by an entry's id which message it is about. A reviewer's later word replaces
    the earlier one; where two contradict one another, nothing is decided.
    """
    latest: dict[object, dict[str, Entry]] = defaultdict(dict)
    for entry in sorted(reviews, key=_time):
        latest[message_of[entry.id]].pop(entry.by, None)
        latest[message_of[entry.id]][entry.by] = entry
    return {
        message: list(by_reviewer.values())[-1] for message, by_reviewer in latest.items()
        if len({entry.unwanted for entry in by_reviewer.values()}) == 1
    }  # fmt: skip


def weigh_reports(
    reports: Sequence[Entry], cluster_of: Mapping[str, object], others: int, caps: Caps = Caps()
) -> dict[object, Weighed]:
    """What each reported cluster counts, so that no flood of reports moves the model.

    n people who report a cluster give it 1 - 1/n: one alone nothing. Who reports many clusters has
    a smaller voice in each; what one business sent counts little together, however often and by
    whomever it is reported; all reports together are a small part of what is learned. `others` is
    how many other messages there are.
    """
    clusters: dict[object, list[Entry]] = defaultdict(list)
    for entry in sorted(reports, key=_time):
        clusters[cluster_of[entry.id]].append(entry)
    voices = _voices(clusters, caps)
    weights = {
        cluster: max(0.0, 1 - 1 / max(_said_by(said, voices), 1.0))
        for cluster, said in clusters.items()
    }
    weights = _capped_by_business(weights, clusters, caps)
    most = max(caps.weight_least, caps.share_of_others * others)
    scale = min(1.0, most / max(sum(weights.values()), 1e-9))
    return {
        cluster: Weighed(said[0], _label_of(said, voices), weights[cluster] * scale)
        for cluster, said in clusters.items() if weights[cluster] > 0
    }  # fmt: skip


def _voices(clusters: Mapping[object, Sequence[Entry]], caps: Caps) -> dict[str, float]:
    """How loud each reporter is in each cluster they report."""
    reported = Counter(by for said in clusters.values() for by in {entry.by for entry in said})
    return {by: min(1.0, caps.clusters_by_reporter / count) for by, count in reported.items()}


def _said_by(said: Sequence[Entry], voices: Mapping[str, float]) -> float:
    return sum(voices[by] for by in sorted({entry.by for entry in said}))


def _capped_by_business(
    weights: Mapping[object, float], clusters: Mapping[object, Sequence[Entry]], caps: Caps
) -> dict[object, float]:
    """Each business's part of a cluster is its part of the reporters."""
    parts: dict[object, dict[str, float]] = {}
    for cluster, said in clusters.items():
        pairs = Counter(business for _, business in {(entry.by, entry.business) for entry in said})
        parts[cluster] = {
            business: weights[cluster] * count / pairs.total() for business, count in pairs.items()
        }
    loads: Counter[str] = Counter()
    for part in parts.values():
        loads.update(part)
    return {
        cluster: sum(
            weight * min(1.0, caps.weight_by_business / max(loads[business], 1e-9))
            for business, weight in part.items()
        )
        for cluster, part in parts.items()
    }


def _label_of(said: Sequence[Entry], voices: Mapping[str, float]) -> str:
    """What most of the reporters say it is; where there is no most, unwanted of either kind."""
    votes: Counter[str] = Counter()
    for by, label in {entry.by: entry.label for entry in said}.items():
        votes[label] += voices[by]  # type: ignore[assignment]
    (first, most), *others = votes.most_common(2)
    return first if not others or most > others[0][1] else "other_spam"


def _time(entry: Entry) -> datetime:
    return datetime.fromisoformat(entry.time)
