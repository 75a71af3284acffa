"""Finds the words that a judgement rests on, and checks that they are the ones.

A word weighs as much as the log-odds lose without it. That holds for any model, and is what a
sender can try: take the words out, and it is another message.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from math import log
from random import Random

import numpy as np
from numpy.typing import NDArray

from ml.figures import numbers_reduced
from ml.judgement import LABELS, Explanation, Judgement, Span
from ml.normalise import Views, views_of_reduced

_SPANS_MAX = 3
_WORDS_MAX = 40  # in longer texts neighbouring words are taken together
_WEIGHED_TWICE = 10
_SPAN_WEIGHT_MIN = 0.25  # of the heaviest word; lighter words do not make a span
_DRAWS = 5  # of words by chance, against which the named ones are held
_WORD = re.compile(r"\S+")
_WITHOUT_SPACES = re.compile(r"[\u0e00-\u0e7f\u3400-\u9fff\uff01-\uff5e]{5,}")
_RUN = 4  # characters taken for a word where a script puts no spaces
_SMALLEST = 1e-30

Floats = NDArray[np.float32]
LogOdds = Callable[[Sequence[Views]], Floats]


def explained(
    text: str,
    judgement: Judgement,
    part: tuple[int, int],
    once: LogOdds,
    twice: LogOdds | None,
) -> Explanation:
    """The words of the decisive part, heaviest first.

    `once` and `twice` score pieces as the looks of those names do. If it was looked at twice, the
    words that weigh most at the first look are weighed again at the second, which costs more.
    """
    words = _words(text, part)
    losses = _losses(text, part, words, judgement, once)
    if twice is not None:
        heaviest = sorted(sorted(range(len(words)), key=lambda at: -losses[at])[:_WEIGHED_TWICE])
        again = _losses(text, part, [words[at] for at in heaviest], judgement, twice)
        losses = [0.0] * len(words)
        for at, loss in zip(heaviest, again, strict=True):
            losses[at] = loss
    return Explanation(judgement, part, _spans(words, losses))


def named_rightly(
    judge: Callable[[Sequence[str]], list[Judgement]],
    explanations: Iterable[tuple[str, Explanation]],
    seed: int,
) -> list[bool]:
    """For each text whether taking the named words out changes more than as much by chance.

    What is taken out by chance are as many runs of words of about the same length, five times; the
    change is that of the log-odds of unwanted, and the mean of the five is what must be beaten.
    """
    right = []
    for text, explanation in explanations:
        random = Random(f"{seed} {text}")
        bounds = [(span.start, span.end) for span in explanation.spans]
        others = [_by_chance(text, bounds, random) for _ in range(_DRAWS)]
        said = judge([text, _without(text, bounds), *(_without(text, other) for other in others)])
        before, named, *chances = (_unwanted_log_odds(judgement) for judgement in said)
        right.append(before - named > before - sum(chances) / _DRAWS)
    return right


def _losses(
    text: str,
    part: tuple[int, int],
    words: Sequence[tuple[int, int]],
    judgement: Judgement,
    log_odds: LogOdds,
) -> list[float]:
    """What the evidence for the judgement loses without each of the words."""
    pieces = [text[part[0] : start] + " " + text[end : part[1]] for start, end in words]
    [base, *scores] = log_odds(
        [views_of_reduced(numbers_reduced(piece)) for piece in (text[slice(*part)], *pieces)]
    )
    column = LABELS.index(judgement.label or LABELS[0])
    unwanted = judgement.unwanted >= 0.5
    return [
        _evidence(base, column, unwanted) - _evidence(score, column, unwanted) for score in scores
    ]


def _words(text: str, part: tuple[int, int]) -> list[tuple[int, int]]:
    words = [
        bounds
        for word in _WORD.finditer(text, *part)
        for bounds in _runs(word.group(), word.start())
    ]
    together = -(-len(words) // _WORDS_MAX)
    return [
        (words[first][0], words[min(first + together, len(words)) - 1][1])
        for first in range(0, len(words), max(together, 1))
    ]


def _runs(word: str, start: int) -> list[tuple[int, int]]:
    """A word as one, or cut into short runs where it is many in a script without spaces."""
    if not _WITHOUT_SPACES.search(word):
        return [(start, start + len(word))]
    return [(start + at, start + min(at + _RUN, len(word))) for at in range(0, len(word), _RUN)]


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


def _by_chance(
    text: str, bounds: Sequence[tuple[int, int]], random: Random
) -> list[tuple[int, int]]:
    """As many runs of the same lengths, wherever words begin."""
    starts = [start for start, _ in _words(text, (0, len(text)))] or [0]
    found = []
    for start, end in bounds:
        fitting = [at for at in starts if at + end - start <= len(text)] or [0]
        at = random.choice(fitting)
        found.append((at, at + end - start))
    return found


def _without(text: str, bounds: Iterable[tuple[int, int]]) -> str:
    for start, end in sorted(bounds, reverse=True):
        text = text[:start] + " " + text[end:]
    return text


def _unwanted_log_odds(judgement: Judgement) -> float:
    if judgement.abstention:
        return -log(1 / _SMALLEST)  # nothing is left to be against
    innocent = judgement.transactional + judgement.personal
    return log(max(judgement.unwanted, _SMALLEST)) - log(max(innocent, _SMALLEST))
