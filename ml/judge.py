"""Judges texts with fitted models, batch by batch: all of them once, the undecided ones twice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ml.cascade import NEVER_TWICE, worst_pieces
from ml.embeddings import embed
from ml.explaining import explained
from ml.features import MessageFeatures
from ml.judgement import LABELS, UNKNOWN_LANGUAGE, Abstention, Explanation, Judgement
from ml.models import Models
from ml.normalise import Views, views
from ml.pieces import Pieces, pieces_of
from ml.scripts import Script, letters_by_script, script_of_language
from ml.second import SecondLook, columns

LETTERS_MIN = 3
LANGUAGE_PROBABILITY_MIN = 0.6

Floats = NDArray[np.float32]


class Judge:
    """Judges and explains.

    It keeps no state between calls and may be used from several threads. The encoder of the second
    look is loaded when it is first needed.
    """

    def __init__(self, models: Models) -> None:
        languages, labels = models.languages, models.labels
        self.languages: tuple[str, ...] = tuple(str(code) for code in languages[-1].classes_)
        self._features: MessageFeatures = labels[0]
        order = [list(labels[-1].classes_).index(label) for label in LABELS]
        # Rows contiguous by bucket.
        self._weights = np.ascontiguousarray(labels[-1].coef_[order].T, np.float32)
        self._bias = np.float32(labels[-1].intercept_[order])
        self._language_weights = np.ascontiguousarray(languages[-1].coef_.T, np.float32)
        self._language_bias = np.float32(languages[-1].intercept_)
        self._scripts = [script_of_language(language) for language in self.languages]
        self._known_scripts = frozenset(self._scripts)
        self._second = SecondLook(models.second) if models.second is not None else None
        self._cascade = models.cascade if models.second is not None else NEVER_TWICE

    def judge(self, texts: Sequence[str]) -> list[Judgement]:
        """One judgement for each text, in order. Cheapest in batches of 64 and more."""
        judgements, _ = self._judge(texts)
        return judgements

    def prepare(self) -> None:
        """Loads the encoder now, if there is a second look: 0.8 s that no message has to wait."""
        if self._second is not None:
            embed([views("")])

    def explain(self, text: str) -> Explanation:
        """The judgement of one text, and the words without which it would have been another one.

        Costs some ms, and some 15 more if it was looked at twice.
        """
        [judgement], [decisive] = self._judge([text])
        if judgement.abstention:
            return Explanation(judgement, decisive.bounds, ())
        twice = self._twice if decisive.twice else None
        return explained(text, judgement, decisive.bounds, self._once, twice)

    def _judge(self, texts: Sequence[str]) -> "tuple[list[Judgement], list[_Decisive]]":
        if not texts:
            return [], []
        pieces = pieces_of(texts)
        matrix = self._features.of_views(pieces.views)
        scores = self._first_look(matrix)
        first = softmax(scores)
        again = self._cascade.open(first[:, 0] + first[:, 1], pieces.owners)
        if again.any():
            undecided = [pieces.views[at] for at in np.flatnonzero(again)]
            scores[again] = self._second_look(scores[again], undecided)
        worst = _worst(scores, pieces)
        decisive = [_Decisive(pieces.bounds[at], bool(again[at])) for at in worst]
        return self.conclude(pieces, matrix, scores), decisive

    def conclude(self, pieces: Pieces, matrix: csr_matrix, scores: Floats) -> list[Judgement]:
        """The judgement of each message, given the features and the final scores of its pieces."""
        labels = softmax(scores)
        wholes = pieces.wholes
        languages = softmax(self._language_scores(matrix[wholes]))
        letters = letters_by_script([pieces.views[at].normalised for at in wholes])
        return [
            self._judgement(labels[at], languages[index], letters[index])
            for index, at in enumerate(_worst(scores, pieces))
        ]

    def _judgement(self, labels: Floats, languages: Floats, letters: NDArray[np.intp]) -> Judgement:
        script = Script(int(letters.argmax()))
        if letters.sum() < LETTERS_MIN:
            return _abstained(Abstention.TOO_LITTLE_TEXT)
        if script not in self._known_scripts:
            return _abstained(Abstention.UNKNOWN_SCRIPT)
        best = int(languages.argmax())
        known = languages[best] >= LANGUAGE_PROBABILITY_MIN and self._scripts[best] == script
        return Judgement(
            promotional=float(labels[0]),
            scam=float(labels[1]),
            transactional=float(labels[2]),
            personal=float(labels[3]),
            language=self.languages[best] if known else UNKNOWN_LANGUAGE,
        )

    def _first_look(self, matrix: csr_matrix) -> Floats:
        scores: Floats = matrix @ self._weights + self._bias
        return scores

    def _second_look(self, scores: Floats, views: Sequence[Views]) -> Floats:
        assert self._second is not None
        said = self._second.scores(columns(scores, *embed(views), views))
        both: Floats = said + np.float32(self._cascade.first) * scores
        return both

    def _language_scores(self, matrix: csr_matrix) -> Floats:
        # A bucket among fewer is the end of a bucket among more.
        buckets = matrix.indices & np.int32(len(self._language_weights) - 1)
        folded = csr_matrix(
            (matrix.data, buckets, matrix.indptr), (matrix.shape[0], len(self._language_weights))
        )
        scores: Floats = folded @ self._language_weights + self._language_bias
        return scores

    def _once(self, views: Sequence[Views]) -> Floats:
        return self._first_look(self._features.of_views(views))

    def _twice(self, views: Sequence[Views]) -> Floats:
        return self._second_look(self._once(views), views)


@dataclass(frozen=True, slots=True)
class _Decisive:
    """The piece of a message that decided."""

    bounds: tuple[int, int]  # in the text as sent
    twice: bool  # whether it was looked at twice


def softmax(scores: Floats) -> Floats:
    """Probabilities of the classes, for rows of log-odds."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _worst(scores: Floats, pieces: Pieces) -> NDArray[np.intp]:
    labels = softmax(scores)
    return worst_pieces(labels[:, 0] + labels[:, 1], pieces.owners)


def _abstained(reason: Abstention) -> Judgement:
    return Judgement(0.0, 0.0, 0.0, 0.0, UNKNOWN_LANGUAGE, reason)
