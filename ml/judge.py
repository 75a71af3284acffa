"""Judges texts with fitted pipelines, batch by batch, and explains what a judgement rests on."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.features import MessageFeatures
from ml.figures import numbers_reduced
from ml.judgement import LABELS, UNKNOWN_LANGUAGE, Abstention, Explanation, Judgement, Span
from ml.normalise import Views, views_of_reduced
from ml.parts import parts
from ml.scripts import Script, letters_by_script, script_of_language

LETTERS_MIN = 3
LANGUAGE_PROBABILITY_MIN = 0.6
_SPANS_MAX = 3
_PIECES_EXPLAINED_MAX = 80  # in longer texts neighbouring words are taken together
_SPAN_WEIGHT_MIN = 0.25  # of the heaviest word; lighter words do not make a span
_WORD = re.compile(r"\S+")

Floats = NDArray[np.float32]


class Judge:
    """Two fitted pipelines over the same features, one for the classes and one for the languages.

    It keeps no state between calls and may be used from several threads.
    """

    def __init__(self, labels: Any, languages: Any) -> None:
        self.languages: tuple[str, ...] = tuple(languages[-1].classes_)
        self._features: MessageFeatures = labels[0]
        order = [list(labels[-1].classes_).index(label) for label in LABELS]
        # One product for labels and languages: columns side by side, rows contiguous by bucket.
        self._weights = np.ascontiguousarray(
            np.vstack([labels[-1].coef_[order], languages[-1].coef_]).T, np.float32
        )
        self._bias = np.concatenate([labels[-1].intercept_[order], languages[-1].intercept_])
        self._scripts = [script_of_language(language) for language in self.languages]
        self._known_scripts = sorted(set(self._scripts))

    def judge(self, texts: Sequence[str]) -> list[Judgement]:
        """One judgement for each text, in order. Cheapest in batches of 64 and more."""
        judgements, _ = self._judge(texts)
        return judgements

    def explain(self, text: str) -> Explanation:
        """The judgement of one text, and the words without which it would have been another one.

        Costs about as much as judging as many messages as the decisive part has words.
        """
        [judgement], [part] = self._judge([text])
        if judgement.abstention:
            return Explanation(judgement, part, ())
        words = _words(text, part)
        without = [text[part[0] : start] + " " + text[end : part[1]] for start, end in words]
        scores = self._log_odds([views_of_reduced(numbers_reduced(piece)) for piece in without])
        [base] = self._log_odds([views_of_reduced(numbers_reduced(text[slice(*part)]))])
        column = LABELS.index(judgement.label or LABELS[0])
        unwanted = judgement.unwanted >= 0.5
        losses = [float(_evidence(base, column, unwanted) - _evidence(score, column, unwanted))
                  for score in scores]  # fmt: skip
        return Explanation(judgement, part, _spans(words, losses))

    def _judge(self, texts: Sequence[str]) -> tuple[list[Judgement], list[tuple[int, int]]]:
        """Judgements, and the span of the decisive part in each text with its numbers as sent."""
        if not texts:
            return [], []
        pieces: list[Views] = []
        owners: list[int] = []
        bounds: list[tuple[int, int]] = []
        for index, text in enumerate(texts):
            reduced = numbers_reduced(text)
            pieces.append(views_of_reduced(reduced))
            owners.append(index)
            bounds.append((0, len(text)))
            cut = parts(reduced)
            if len(cut) > 1:
                original = parts(text) if len(reduced) != len(text) else cut
                pieces.extend(views_of_reduced(reduced[start:end]) for start, end in cut)
                owners.extend([index] * len(cut))
                bounds.extend(
                    original if len(original) == len(cut) else [(0, len(text))] * len(cut)
                )
        scores = self._scores(pieces)
        labels = _softmax(scores[:, : len(LABELS)])
        unwanted = labels[:, 0] + labels[:, 1]
        # The worst piece of each message: the last one when sorted by message, then by unwanted.
        order = np.lexsort((unwanted, np.asarray(owners)))
        worst = order[np.append(np.flatnonzero(np.diff(np.asarray(owners)[order])), len(order) - 1)]
        whole = np.searchsorted(owners, np.arange(len(texts)))
        languages = _softmax(scores[whole, len(LABELS) :])
        letters = letters_by_script([pieces[at].normalised for at in whole])
        judgements = [
            self._judgement(labels[at], languages[index], letters[index])
            for index, at in enumerate(worst)
        ]
        return judgements, [bounds[at] for at in worst]

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

    def _scores(self, pieces: Sequence[Views]) -> Floats:
        scores: Floats = self._features.of_views(pieces) @ self._weights + self._bias
        return scores

    def _log_odds(self, pieces: Sequence[Views]) -> Floats:
        return (
            self._scores(pieces)[:, : len(LABELS)]
            if pieces
            else np.zeros((0, len(LABELS)), np.float32)
        )


def _words(text: str, part: tuple[int, int]) -> list[tuple[int, int]]:
    words = [(word.start(), word.end()) for word in _WORD.finditer(text, *part)]
    together = -(-len(words) // _PIECES_EXPLAINED_MAX)
    return [
        (words[first][0], words[min(first + together, len(words)) - 1][1])
        for first in range(0, len(words), max(together, 1))
    ]


def _abstained(reason: Abstention) -> Judgement:
    return Judgement(0.0, 0.0, 0.0, 0.0, UNKNOWN_LANGUAGE, reason)


def _softmax(scores: Floats) -> Floats:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _evidence(scores: Floats, column: int, unwanted: bool) -> float:
    """Log odds of unwanted against innocent, or of one class against the best other one."""
    if unwanted:
        return float(np.logaddexp(scores[0], scores[1]) - np.logaddexp(scores[2], scores[3]))
    others = np.delete(scores, column)
    return float(scores[column] - others.max())


def _spans(words: list[tuple[int, int]], losses: list[float]) -> tuple[Span, ...]:
    """Neighbouring heavy words as one span; the heaviest spans, with their share of all of them."""
    heaviest = max(losses, default=0.0)
    if heaviest <= 0:
        return ()
    runs: list[list[int]] = []
    for index, loss in enumerate(losses):
        if loss < _SPAN_WEIGHT_MIN * heaviest:
            continue
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    total = sum(losses[index] for run in runs for index in run)
    spans = [
        Span(words[run[0]][0], words[run[-1]][1], round(sum(losses[i] for i in run) / total, 3))
        for run in runs
    ]
    return tuple(sorted(spans, key=lambda span: -span.weight)[:_SPANS_MAX])
