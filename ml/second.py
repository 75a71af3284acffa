"""The second look at a piece: what its n-grams say, what it means, and some plain facts about it.

A small neural network joins them. It learns from n-gram scores that were made without the source
each piece comes from (stacked generalisation; Wolpert 1992), so it knows what these are worth on
messages from somewhere else.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml import symbols
from ml.embeddings import DIMENSIONS
from ml.judgement import LABELS
from ml.normalise import Views

Floats = NDArray[np.float32]

_EVIDENCE = ("lookalikes", "invisible", "spaced", "leet", "fancy", "exclaims", "exclaims much",
             "capitals", "emoji", "emoji much")  # fmt: skip
_SIGNS = (*symbols.LINKS, symbols.EMAIL, symbols.MASKED_NUMBER, symbols.REFERENCE)
# Numbers of an embedding are about 1/√512; this brings them to the size of the others.
_EMBEDDING_SCALE = 16.0
COLUMNS = 2 * len(LABELS) + 1 + DIMENSIONS + len(_EVIDENCE) + len(_SIGNS) + 3


def columns(
    scores: Floats, embeddings: Floats, unread: Floats, messages: Sequence[Views]
) -> Floats:
    """What the network reads, a row for each piece.

    `scores` are the log-odds of the first look; `unread` is what the encoder could not read.
    """
    scores = scores - scores.mean(axis=1, keepdims=True)
    unwanted = np.logaddexp(scores[:, 0], scores[:, 1]) - np.logaddexp(scores[:, 2], scores[:, 3])
    facts = np.array([_facts(message) for message in messages], np.float32)
    rows: Floats = np.hstack([
        scores, np.clip(scores, -1, 1), unwanted[:, None], embeddings * _EMBEDDING_SCALE,
        facts.reshape(len(messages), -1), unread[:, None],
    ], dtype=np.float32)  # fmt: skip
    return rows


def _facts(message: Views) -> list[float]:
    text = message.normalised
    return [
        np.log1p(len(text)) / 5,
        np.log1p(text.count("0")),
        *(sign in message.evidence for sign in _EVIDENCE),
        *(min(text.count(sign), 2) for sign in _SIGNS),
    ]


class SecondLook:
    """A fitted pipeline of a scaler and a network with one hidden layer, as a few products."""

    def __init__(self, pipeline: Any) -> None:
        scaler, network = pipeline[0], pipeline[-1]
        order = [list(network.classes_).index(label) for label in LABELS]
        inner, outer = network.coefs_
        self._inner = np.ascontiguousarray(inner / scaler.scale_[:, None], np.float32)
        self._inner_bias = np.float32(
            network.intercepts_[0] - (scaler.mean_ / scaler.scale_) @ inner
        )
        self._outer = np.ascontiguousarray(outer[:, order], np.float32)
        self._outer_bias = np.float32(network.intercepts_[1][order])

    def scores(self, rows: Floats) -> Floats:
        """Log-odds of the classes, in the order of LABELS, for rows of `columns`."""
        hidden = np.maximum(rows @ self._inner + self._inner_bias, 0)
        scores: Floats = hidden @ self._outer + self._outer_bias
        return scores
