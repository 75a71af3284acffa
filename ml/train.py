"""Trains a model from the corpus, and from further files where there are any.

First the models are fitted once for each fold without that fold, which holds whole sections of the
corpus and whole sources: those fits tell how good a model is on messages of another kind, teach the
second look what n-grams are worth there, calibrate (one temperature for each look; Guo et al. 2017)
and set the thresholds. Then they are fitted on everything.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from ml.cascade import Cascade, worst_pieces
from ml.checkpoints import Checkpoints
from ml.choosing import choose_cascade, choose_thresholds
from ml.corpus.expand import Shares, expand
from ml.corpus.patterns import FOLDS
from ml.corpus.patterns import digest as corpus_digest
from ml.data import Row
from ml.embeddings import DIMENSIONS, embed, reading
from ml.evaluate import Judged
from ml.examples import Known, Lessons, disguised, from_corpus, from_rows, lessons
from ml.features import MessageFeatures
from ml.fitting import cool, cool_second, fit_linear, fit_second, scores_of, temperature_of
from ml.judge import Judge, softmax
from ml.judgement import LABELS
from ml.models import Models
from ml.pieces import Pieces, pieces_of
from ml.report import UNWANTED, Report, report
from ml.second import SecondLook, columns
from ml.thresholds import Thresholds
from ml.versions import libraries, recipe_digest

_CHUNK = 4096
Floats = NDArray[np.float32]
Progress = Callable[[str, int, int], None]  # what is being done, steps done, steps in all


@dataclass(frozen=True, slots=True)
class Recipe:
    """The settings of a training."""

    seed: int = 1
    shares: Shares = field(default_factory=Shares)
    languages: tuple[str, ...] = ()  # of the corpus; all of them if empty
    joined_share: float = 0.4
    disguised_share: float = 0.1
    rows_max: int = 1500  # of one label in one source
    by_source: bool = True  # whole sources are left out for measuring; otherwise groups
    bucket_bits: int = 18
    language_bits: int = 15
    words_weight: float = 1.5
    inverse_regularisation: float = 1.5
    iterations_max: int = 45
    second_look: bool = True  # without, judging takes 30 MB less and is weaker
    lessons_max: int = 60_000  # of the second look, drawn by their weight
    first_share: float = 0.35  # of the first look in what both say together
    members: int = 3  # networks of the second look
    hidden: int = 96  # of each
    penalty: float = 1.5
    epochs: int = 6


@dataclass(frozen=True, slots=True)
class Training:
    """What a training gave: the fitted models, and what the manifest tells about them."""

    models: Models
    languages: tuple[str, ...]
    thresholds: Thresholds
    unseen: Report  # of messages whose source or section was left out
    described: dict[str, Any]


def training_digest(recipe: Recipe, data: Mapping[str, str]) -> str:
    """SHA-256 of everything that decides the outcome: code, corpus, settings and further data.

    `data` gives the SHA-256 of each file of it.
    """
    whole = f"{recipe_digest()} {corpus_digest()} {recipe} {' '.join(data.values())}"
    return hashlib.sha256(whole.encode()).hexdigest()


def train(
    recipe: Recipe,
    rows: Sequence[Row],
    data: Mapping[str, str],
    progress: Progress,
    checkpoints: Checkpoints | None = None,
) -> Training:
    """Trains a model. The same recipe, corpus and rows give the same model.

    `data` gives the SHA-256 of each file that the rows came from, by its name. Raises CorpusError.
    """
    learner = _Learner(recipe, rows, data, progress, checkpoints or Checkpoints(None))
    training = learner.learn()
    learner.checkpoints.forget_others()
    return training


class _Learner:
    """One training: what is learned from, and each step of it."""

    def __init__(
        self,
        recipe: Recipe,
        rows: Sequence[Row],
        data: Mapping[str, str],
        progress: Progress,
        checkpoints: Checkpoints,
    ) -> None:
        self._recipe, self._data, self._rows = recipe, data, rows
        self._digest = training_digest(recipe, data)
        self._progress, self.checkpoints = progress, checkpoints
        self._steps_done = 0
        self._step("expanding the corpus")
        messages = expand(recipe.seed, recipe.shares, only=recipe.languages)
        self._messages = len(messages)
        known = from_corpus(messages, recipe.joined_share, recipe.seed)
        known += from_rows(rows, recipe.rows_max, by_source=recipe.by_source)
        self._known: list[Known] = known + disguised(known, recipe.disguised_share, recipe.seed)
        self._step(f"reading {len(self._known):,} messages")
        self._pieces: Pieces = pieces_of([item.text for item in self._known])
        self._lessons: Lessons = lessons(self._known, self._pieces)
        self._folds = np.array([item.fold for item in self._known], np.intp)[self._pieces.owners]
        self._features = MessageFeatures(recipe.bucket_bits, words_weight=recipe.words_weight)
        self._matrix = self._features_of(self._features)

    def learn(self) -> Training:
        """The whole training."""
        recipe, seen = self._recipe, self._lessons
        scores = np.zeros((len(self._folds), len(LABELS)), np.float32)
        for fold in range(FOLDS):
            self._step(f"n-grams without part {fold + 1} of {FOLDS}")
            held = np.flatnonzero(self._folds == fold)
            scores[held] = self.checkpoints.array(
                f"first-{fold}", self._digest, lambda fold=fold, held=held: scores_of(  # type: ignore[misc]
                    self._fit_labels(seen.of(seen.folds != fold)), self._matrix[held]
                )
            )  # fmt: skip
        temperature = self._temperature(scores)
        scores /= temperature
        self._step("n-grams of everything")
        labels = self._fit_labels(seen)
        cool(labels, temperature)
        self._step("languages")
        languages = self._fit_languages()
        models = Models(
            Pipeline([("features", self._features), ("labels", labels)]), languages, None
        )
        if recipe.second_look:
            models, scores = self._with_second_look(models, scores)
        unseen = self._judged(models, scores)
        thresholds = choose_thresholds(unseen)
        self._step("done")
        return Training(
            models=models,
            languages=tuple(str(code) for code in languages[-1].classes_),
            thresholds=thresholds,
            unseen=report(unseen, thresholds),
            described={
                "seed": recipe.seed,
                "digest": self._digest,
                "corpus_digest": corpus_digest(),
                "corpus_messages": self._messages,
                "data": dict(self._data),
                "data_messages": len(self._rows),
            },
        )

    def _with_second_look(self, first: Models, scores: Floats) -> tuple[Models, Floats]:
        """The models with a second look, and what both looks together say of what was left out."""
        rows = self._columns(scores)
        seen = self._lessons
        again = np.zeros_like(scores)
        for fold in range(FOLDS):
            self._step(f"second look without part {fold + 1} of {FOLDS}")
            held = np.flatnonzero(self._folds == fold)
            again[held] = self.checkpoints.array(
                f"second-{fold}", self._digest, lambda fold=fold, held=held: _in_chunks(  # type: ignore[misc]
                    SecondLook(self._fit_second(rows, seen.of(seen.folds != fold))).scores,
                    rows, held,
                )
            )  # fmt: skip
        share = self._recipe.first_share
        again = share * scores + (1 - share) * again
        temperature = self._temperature(again)
        again /= temperature
        self._step("second look at everything")
        second = self._fit_second(rows, seen)
        cool_second(second, temperature / (1 - share))
        direct = choose_thresholds(self._judged(first, again)).direct
        cascade = replace(self._cascade(scores, again, direct), first=share / temperature)
        once = softmax(scores)
        opened = cascade.open(once[:, 0] + once[:, 1], self._pieces.owners)
        both = np.where(opened[:, None], again, scores)
        return Models(first.labels, first.languages, second, cascade), both

    def _cascade(self, first: Floats, second: Floats, direct: float) -> Cascade:
        measured = np.array([item.measured for item in self._known])
        unwanted = np.array([item.label in UNWANTED for item in self._known])
        worst = []
        for scores in (first, second):
            labels = softmax(scores)
            either = labels[:, 0] + labels[:, 1]
            worst.append(either[worst_pieces(either, self._pieces.owners)][measured])
        return choose_cascade(worst[0], worst[1], unwanted[measured], direct)

    def _columns(self, scores: Floats) -> Floats:
        """What the second look reads, of half precision to take half the room."""
        readings = "\n".join(reading(message) for message in self._pieces.views)
        embedded = self.checkpoints.array("embeddings", f"{libraries()} {readings}", self._embedded)
        chunks = []
        for start in range(0, len(scores), _CHUNK):
            chosen = slice(start, start + _CHUNK)
            chunks.append(columns(
                scores[chosen], embedded[chosen, :DIMENSIONS].astype(np.float32),
                embedded[chosen, DIMENSIONS].astype(np.float32), self._pieces.views[chosen],
            ).astype(np.float16))  # fmt: skip
        found: Floats = np.vstack(chunks)
        return found

    def _embedded(self) -> NDArray[np.float16]:
        """Embeddings, and in the last column what could not be read."""
        views = self._pieces.views
        # Texts of like length together go through the encoder faster.
        order = np.argsort([len(message.normalised) for message in views], kind="stable")
        found = np.zeros((len(views), DIMENSIONS + 1), np.float16)
        for start in range(0, len(order), _CHUNK):
            chosen = order[start : start + _CHUNK]
            embeddings, unread = embed([views[at] for at in chosen])
            found[chosen] = np.hstack([embeddings, unread[:, None]])
            self._progress("embedding", start + len(chosen), len(order))
        return found

    def _fit_labels(self, seen: Lessons) -> LogisticRegression:
        recipe = self._recipe
        return fit_linear(
            self._matrix[seen.pieces], seen.labels, seen.weights,
            recipe.inverse_regularisation, recipe.iterations_max,
        )  # fmt: skip

    def _fit_languages(self) -> Pipeline:
        recipe = self._recipe
        wholes = [at for at in self._pieces.wholes if self._known[self._pieces.owners[at]].language]
        languages = [self._known[self._pieces.owners[at]].language for at in wholes]
        features = MessageFeatures(recipe.language_bits, words_weight=recipe.words_weight)
        # Languages are far apart: a third of the steps tells them as well as all of them.
        model = fit_linear(
            self._features_of(features)[wholes], languages, None,
            recipe.inverse_regularisation, recipe.iterations_max // 3,
        )  # fmt: skip
        return Pipeline([("features", features), ("languages", model)])

    def _fit_second(self, rows: Floats, seen: Lessons) -> Pipeline:
        recipe = self._recipe
        random = np.random.default_rng(recipe.seed)
        shares = seen.weights / seen.weights.sum()
        lessons = []
        for _ in range(recipe.members):
            drawn = random.choice(len(shares), min(recipe.lessons_max, 2 * len(shares)), p=shares)
            lessons.append((rows[seen.pieces[drawn]].astype(np.float32), seen.labels[drawn]))
        return fit_second(lessons, recipe.hidden, recipe.penalty, recipe.epochs, recipe.seed)

    def _temperature(self, scores: Floats) -> float:
        """Of whole messages whose label is one of the classes."""
        wholes = self._pieces.wholes
        certain = [
            at for at, item in zip(wholes, self._known, strict=True)
            if item.measured and item.label in LABELS
        ]  # fmt: skip
        right = [LABELS.index(self._known[self._pieces.owners[at]].label) for at in certain]
        return temperature_of(scores[certain], np.array(right, np.intp))

    def _judged(self, models: Models, scores: Floats) -> list[Judged]:
        """What is said of the measured messages, from scores that were made without them."""
        judge = Judge(models)
        judgements = judge.conclude(self._pieces, self._matrix, scores)
        return [
            Judged(item.language, item.label, item.source, judgement)
            for item, judgement in zip(self._known, judgements, strict=True)
            if item.measured
        ]

    def _features_of(self, features: MessageFeatures) -> csr_matrix:
        views = self._pieces.views
        matrix = vstack([
            features.of_views(views[start : start + _CHUNK])
            for start in range(0, len(views), _CHUNK)
        ], format="csr")  # fmt: skip
        matrix.sum_duplicates()
        return matrix

    def _step(self, what: str) -> None:
        steps = 5 + FOLDS + (FOLDS + 1 if self._recipe.second_look else 0)
        self._progress(what, self._steps_done, steps)
        self._steps_done += 1


def _in_chunks(
    scores: Callable[[Floats], Floats], rows: Floats, chosen: NDArray[np.intp]
) -> Floats:
    found: Floats = np.vstack([
        scores(rows[chosen[start : start + _CHUNK]].astype(np.float32))
        for start in range(0, len(chosen), _CHUNK)
    ])  # fmt: skip
    return found
