"""What a model is trained on: messages of the corpus and of files, weighed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from ml.corpus.expand import Message, joined
from ml.data import LABEL_MEANINGS, Row
from ml.judgement import INNOCENT, LABELS
from ml.parts import parts


@dataclass(frozen=True, slots=True)
class Example:
    """One text with one label. An uncertain label gives several examples that share the weight."""

    text: str
    language: str
    label: str
    weight: float
    fold: int


def from_corpus(messages: Sequence[Message], joined_share: float, seed: int) -> list[Example]:
    """The messages; of the innocent ones also their parts, and some that follow one another.

    Every part of an innocent message is innocent, and so are several of them, while a part of an
    advertisement may be anything. Messages of the same fold only are put together.
    """
    random = Random(f"{seed} joined")
    alike: dict[tuple[str, str, int], list[str]] = {}
    for message in messages:
        alike.setdefault((message.language, message.label, message.fold), []).append(message.text)
    examples = []
    for message in messages:
        texts = [message.text]
        if message.label in INNOCENT:
            cut = parts(message.text)
            texts += [message.text[start:end] for start, end in cut] if len(cut) > 1 else []
            if random.random() < joined_share:
                others = alike[message.language, message.label, message.fold]
                texts.append(_followed(message.text, others, random))
        examples += [
            Example(text, message.language, message.label, 1.0, message.fold) for text in texts
        ]
    return examples


def _followed(text: str, others: Sequence[str], random: Random) -> str:
    for _ in range(random.choice((1, 1, 2))):
        text = joined(text, random.choice(others), random)
    return text


def from_rows(rows: Iterable[Row]) -> list[Example]:
    """Rows of a file that have a label."""
    examples = []
    for row in rows:
        meanings = LABEL_MEANINGS.get(row.label, ())
        share = row.weight / len(meanings) if meanings else 0.0
        examples += [Example(row.text, row.language, label, share, row.fold) for label in meanings]
    return examples


def weights(examples: Sequence[Example]) -> NDArray[np.float64]:
    """Every class has the same say, and every language in a class the root of its share."""
    labels = np.array([example.label for example in examples])
    cells = [f"{example.language} {example.label}" for example in examples]
    own = np.array([example.weight for example in examples])
    names, index = np.unique(cells, return_inverse=True)
    size = np.bincount(index, weights=own, minlength=len(names))
    balanced = own / np.sqrt(size[index])
    for label in LABELS:
        members = labels == label
        if members.any():
            balanced[members] *= len(examples) / len(LABELS) / balanced[members].sum()
    return balanced
