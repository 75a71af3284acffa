"""Decides whether a model may be released: its limits, and the live model it would replace.

A model is held to what training measured of it on messages that it had not seen, to what disguises
do to it, to what judging costs, and to labelled files where there are any. It must be worse than
the live one for no language, beyond the interval of the difference.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ml.classifier import Classifier
from ml.corpus.expand import Message, Shares, expand
from ml.data import Row
from ml.errors import FeaturesDiffer, KeyUnreadable, LibrariesDiffer, ModelRefused
from ml.evaluate import Asked, Progress, judge_all
from ml.evaluation.limits import Check, checks, cost_checks
from ml.evaluation.pairs import Decision, Difference, paired, unpaired
from ml.evaluation.reached import Reached, reached
from ml.keys import read_public_key
from ml.measuring import attacked, explained, measured
from ml.places import RELEASED
from ml.release import Manifest, read_verified_manifest
from ml.report import UNWANTED, Report

ATTACKED_MAX = 150  # messages of each language
# Messages by label, whose time is taken.
TRAFFIC = {"transactional": 717, "personal": 154, "promotional": 102, "scam": 51}


@dataclass(frozen=True, slots=True)
class Live:
    """The model that decides today. What this code or these libraries cannot load is known by its
    manifest alone.
    """

    manifest: Manifest
    classifier: Classifier | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What speaks for and against a release."""

    checks: tuple[Check, ...]
    differences: tuple[Difference, ...]  # from the live model; none without one
    live: str  # its version; empty without one

    @property
    def broken(self) -> list[Check]:
        """The limits that it does not keep, but for those that are known not to be reached."""
        return [check for check in self.checks if check.refuses]

    @property
    def known(self) -> list[Check]:
        """The limits that it does not keep, and need not yet."""
        return [check for check in self.checks if check.known]

    @property
    def worse(self) -> list[Difference]:
        """Where it is worse than the live model."""
        return [difference for difference in self.differences if difference.worse]

    @property
    def refused(self) -> bool:
        """Whether anything speaks against it."""
        return bool(self.broken or self.worse)

    def as_data(self) -> dict[str, Any]:
        """For machines, and for the history of releases."""
        return {
            "refused": self.refused,
            "live": self.live,
            "checks": [asdict(check) for check in self.checks],
            "differences": [difference.as_data() for difference in self.differences],
        }


def load_live(folder: Path, public_key: Ed25519PublicKey) -> Live:
    """The live model. Raises ModelRefused where it is none, or not ours."""
    manifest = read_verified_manifest(folder, public_key)
    try:
        return Live(manifest, Classifier.load(folder, public_key))
    except (LibrariesDiffer, FeaturesDiffer):
        return Live(manifest, None)


def verdict(
    candidate: Classifier,
    live: Live | None,
    rows: Sequence[Row],
    costs: dict[str, float],
    progress: Progress,
) -> Verdict:
    """Holds a model against the limits and against the live one, on its own figures and on rows."""
    own = _unseen(candidate, progress)
    found = [*cost_checks(costs), *checks(own, _reached(candidate, own, progress))]
    differences: list[Difference] = []
    if live is not None:
        differences += unpaired(live.manifest.unseen.by_language,
                                candidate.manifest.unseen.by_language)  # fmt: skip
    if rows:
        found += _checks_on(rows, candidate, live, progress)
        if live is not None and live.classifier is not None:
            differences += paired(decisions(live.classifier, candidate, rows, progress))
    return Verdict(tuple(found), tuple(differences), live.manifest.version if live else "")


def _checks_on(
    rows: Sequence[Row], candidate: Classifier, live: Live | None, progress: Progress
) -> list[Check]:
    """The limits on these messages. What the live model misses there too, another may."""
    asked = [Asked.of_row(row) for row in rows]
    found = measured(candidate, candidate.thresholds, asked, progress=progress)
    if live is None or live.classifier is None or all(check.held for check in checks(found)):
        return checks(found)
    before = measured(live.classifier, live.classifier.thresholds, asked, progress=progress)
    reason = "the live model misses it on these messages too"
    return checks(found, Reached.of(checks(before), reason))


def _reached(candidate: Classifier, own: Report, progress: Progress) -> Reached:
    """How far the released model gets, and against disguises on the same messages of the corpus."""
    known = reached()
    if all(check.held or check.what.endswith("stopped") for check in checks(own)):
        return known
    try:
        released = Classifier.load(RELEASED.model, read_public_key(RELEASED.public_key))
    except (ModelRefused, KeyUnreadable):
        return known
    same = released.manifest.version == candidate.manifest.version
    return Reached.of(checks(own if same else _unseen(released, progress)))


def _unseen(candidate: Classifier, progress: Progress) -> Report:
    """What training measured; and what disguises do to messages of the corpus, and whether the
    words that explanations name decide, where training did not say.
    """
    unseen = candidate.manifest.unseen
    asked = [] if unseen.attacks and unseen.explanations else _unwanted_of_corpus(candidate)
    if asked and not unseen.attacks:
        lost = attacked(candidate, candidate.thresholds, asked, progress=progress)
        unseen = replace(unseen, attacks=lost)
    if asked and not unseen.explanations:
        named = explained(candidate, candidate.thresholds, asked, progress=progress)
        unseen = replace(unseen, explanations=named)
    return unseen


def _unwanted_of_corpus(candidate: Classifier) -> list[Asked]:
    by_language: dict[str, list[Asked]] = defaultdict(list)
    for message in corpus():
        if message.label in UNWANTED and message.language in candidate.languages:
            by_language[message.language].append(
                Asked(message.text, message.language, message.label, "corpus")
            )
    return [asked for found in by_language.values() for asked in found[:ATTACKED_MAX]]


@cache
def corpus() -> list[Message]:
    """Messages to attack and to take the time of: one from each pattern, and some hard pairs."""
    return expand(1, Shares(from_pattern=1, hard_pairs=0.2))


def traffic() -> list[str]:
    """Messages mixed as on the road: mostly notices, and little that nobody asked for."""
    by_label: dict[str, list[str]] = defaultdict(list)
    for message in corpus():
        by_label[message.label].append(message.text)
    mixed = [text for label, count in TRAFFIC.items() for text in by_label[label][:count]]
    Random(1).shuffle(mixed)
    return mixed


def decisions(
    a: Classifier, b: Classifier, rows: Sequence[Row], progress: Progress
) -> list[Decision]:
    """What two models decide about the same messages."""
    asked = [Asked.of_row(row) for row in rows]
    stopped = [
        [model.thresholds.blocks_direct(item.judgement)
         for item in judge_all(model, asked, progress)]
        for model in (a, b)
    ]  # fmt: skip
    return [
        Decision(row.id, row.source, row.language, row.label, by_a, by_b)
        for row, by_a, by_b in zip(rows, *stopped, strict=True)
    ]
