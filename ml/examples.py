"""What a model is trained on: messages of the corpus and of files, and what is made of them."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from ml.attacks import DISGUISES
from ml.corpus.expand import Message, joined
from ml.corpus.patterns import FOLDS
from ml.data import LABEL_MEANINGS, Row
from ml.judgement import INNOCENT, LABELS
from ml.pieces import Pieces

_ALLOWED = (*INNOCENT, "unknown_ham")
_SMALL = 1000


@dataclass(frozen=True, slots=True)
class Known:
    """A labelled message."""

    text: str
    language: str  # empty where nobody says
    label: str  # may mean several of our classes
    source: str
    fold: int  # the part of the training that is left out when it is measured
    weight: float = 1.0
    measured: bool = True  # false for what is made of other messages


def from_corpus(messages: Sequence[Message], joined_share: float, seed: int) -> list[Known]:
    """The messages; of the innocent ones also some that follow one another.

    Several innocent messages are innocent, which teaches that length is no evidence. Messages of
    the same fold only are put together.
    """
    random = Random(f"{seed} joined")
    known = [
        Known(message.text, message.language, message.label, f"corpus {message.language}",
              message.fold)
        for message in messages
    ]  # fmt: skip
    alike: dict[tuple[str, str, int], list[str]] = {}
    for item in known:
        alike.setdefault((item.language, item.label, item.fold), []).append(item.text)
    followed = []
    for item in known:
        if item.label in INNOCENT and random.random() < joined_share:
            text = item.text
            for _ in range(random.choice((1, 1, 2))):
                text = joined(
                    text, random.choice(alike[item.language, item.label, item.fold]), random
                )
            followed.append(replace(item, text=text, measured=False))
    return known + followed


def from_rows(rows: Iterable[Row], most: int, *, by_source: bool) -> list[Known]:
    """Rows that have a label, at most so many of one label in one source.

    More would teach that source better and others worse. Which ones is decided by their groups, so
    that near-duplicates stay together. A source is left out as a whole, or each group by itself.
    """
    labelled = [row for row in rows if row.label]
    fold_of = _folds_of_sources(labelled)
    taken: Counter[tuple[str, str]] = Counter()
    chosen = set()
    for at in sorted(range(len(labelled)), key=lambda at: _by_group(labelled[at])):
        row = labelled[at]
        taken[row.source, row.label] += 1
        if taken[row.source, row.label] <= most:
            chosen.add(at)
    return [
        Known(
            text=row.text,
            language=row.language,
            label=row.label,
            source=row.source,
            fold=fold_of[row.source] if by_source else row.fold,
            weight=row.weight,
            measured=row.weight == 1,  # what was only reported teaches, and measures nothing
        )
        for at, row in enumerate(labelled)
        if at in chosen
    ]


def disguised(known: Sequence[Known], share: float, seed: int) -> list[Known]:
    """Some of the messages as a spammer would disguise them: what is left to see through.

    Innocent ones too, though fewer, for a disguise alone is no proof.
    """
    random = Random(f"{seed} disguised")
    attacks = list(DISGUISES.values())
    made = []
    for item in known:
        if item.measured and random.random() < (share / 3 if item.label in _ALLOWED else share):
            text = random.choice(attacks)(item.text, random)
            if text != item.text:
                made.append(replace(item, text=text, measured=False))
    return made


@dataclass(frozen=True, slots=True)
class Lessons:
    """What is learned from: pieces with a class and a weight."""

    pieces: NDArray[np.intp]
    labels: NDArray[np.str_]
    weights: NDArray[np.float64]
    folds: NDArray[np.intp]

    def of(self, chosen: NDArray[np.bool_]) -> "Lessons":
        """Some of them."""
        return Lessons(
            self.pieces[chosen], self.labels[chosen], self.weights[chosen], self.folds[chosen]
        )


def lessons(known: Sequence[Known], pieces: Pieces) -> Lessons:
    """Whole messages, and the parts of innocent ones: every part of these is innocent too, while a
    part of an advertisement may be anything.

    A label that may mean two classes gives two lessons that share the weight. Every class has the
    same say. In it each source, language and label has the root of its share, but for small ones,
    of which a message weighs no more than one of a thousand does: what a few report stays light.
    """
    whole = np.zeros(len(pieces.owners), np.bool_)
    whole[pieces.wholes] = True
    at, labels, weights, folds, cells = [], [], [], [], []
    for piece, owner in enumerate(pieces.owners):
        item = known[owner]
        if not whole[piece] and item.label not in _ALLOWED:
            continue
        meanings = LABEL_MEANINGS[item.label]
        for label in meanings:
            at.append(piece)
            labels.append(label)
            weights.append(item.weight / len(meanings))
            folds.append(item.fold)
            cells.append(f"{item.source} {item.language} {item.label}")
    return Lessons(
        np.array(at, np.intp), np.array(labels), _balanced(labels, weights, cells),
        np.array(folds, np.intp),
    )  # fmt: skip


def _balanced(
    labels: Sequence[str], weights: Sequence[float], cells: Sequence[str]
) -> NDArray[np.float64]:
    own, label = np.array(weights), np.array(labels)
    names, index = np.unique(cells, return_inverse=True)
    size = np.bincount(index, weights=own, minlength=len(names))
    balanced: NDArray[np.float64] = own / np.sqrt(np.maximum(size[index], _SMALL))
    for name in LABELS:
        members = label == name
        if members.any():
            balanced[members] *= len(labels) / len(LABELS) / balanced[members].sum()
    return balanced


def _by_group(row: Row) -> tuple[bytes, str]:
    return hashlib.blake2b(row.group.encode(), digest_size=8).digest(), row.id


def _folds_of_sources(rows: Sequence[Row]) -> dict[str, int]:
    """A fold for each source, so that the folds are about equally large."""
    sizes = Counter(row.source for row in rows)
    filled = [0] * FOLDS
    folds = {}
    for source, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        fold = filled.index(min(filled))
        folds[source] = fold
        filled[fold] += size
    return folds
