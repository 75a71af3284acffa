"""Trains a model from the corpus, and from further files where there are any.

First the model is fitted once for each fold without that fold: those fits tell how good it is on
patterns it has not seen, calibrate its probabilities (one temperature; Guo et al. 2017) and set its
thresholds. Then it is fitted on everything.
"""

import hashlib
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from ml.corpus.expand import Message, Shares, expand
from ml.corpus.patterns import FOLDS
from ml.corpus.patterns import digest as corpus_digest
from ml.data import Row
from ml.evaluate import Asked, Judged, judge_all, measure
from ml.examples import Example, from_corpus, from_rows, weights
from ml.features import MessageFeatures
from ml.judge import Judge
from ml.judgement import INNOCENT, LABELS, UNKNOWN_LANGUAGE, Judgement
from ml.release import recipe_digest
from ml.thresholds import Thresholds

FALSE_POSITIVE_TARGET = 0.008  # of innocent messages of any language, in unseen patterns
INNOCENT_MIN = 400  # a language with fewer of them is measured together with others like it
REVIEW_TARGET = 0.03  # of the same, in wordings that a person then looks at

Progress = Callable[[str, int, int], None]  # what is being done, steps done, steps in all


@dataclass(frozen=True, slots=True)
class Recipe:
    """The settings of a training."""

    seed: int = 1
    shares: Shares = field(default_factory=Shares)
    joined_share: float = 0.9
    bucket_bits: int = 18
    words_weight: float = 1.5
    inverse_regularisation: float = 1.5
    iterations_max: int = 45


@dataclass(frozen=True, slots=True)
class Training:
    """What a training gave: the fitted pipelines, and what the manifest tells about them."""

    models: dict[str, Any]
    languages: tuple[str, ...]
    thresholds: Thresholds
    metrics: list[dict[str, Any]]
    described: dict[str, Any]


def training_digest(recipe: Recipe, data: Mapping[str, str]) -> str:
    """SHA-256 of everything that decides the outcome: code, corpus, settings and further data.

    `data` gives the SHA-256 of each file of it.
    """
    whole = f"{recipe_digest()} {corpus_digest()} {recipe} {' '.join(data.values())}"
    return hashlib.sha256(whole.encode()).hexdigest()


def train(
    recipe: Recipe, rows: Sequence[Row], data: Mapping[str, str], progress: Progress
) -> Training:
    """Trains a model. The same recipe, corpus and rows give the same model.

    `data` gives the SHA-256 of each file that the rows came from, by its name. Raises CorpusError.
    """
    steps = FOLDS + 4
    progress("expanding the corpus", 0, steps)
    messages = expand(recipe.seed, recipe.shares)
    examples = from_corpus(messages, recipe.joined_share, recipe.seed) + from_rows(rows)
    progress(f"reading {len(examples):,} examples", 1, steps)
    features = MessageFeatures(recipe.bucket_bits, words_weight=recipe.words_weight)
    matrix = _features_of(features, [example.text for example in examples])
    fold = np.array([example.fold for example in examples])
    progress("learning the languages", 2, steps)
    languages = Pipeline(
        [("features", features), ("languages", _fit_languages(matrix, examples, recipe))]
    )
    held_out = []
    for held in range(FOLDS):
        progress(f"learning without part {held + 1} of {FOLDS}", 3 + held, steps)
        kept = fold != held
        model = _fit_labels(
            matrix[kept], [example for example in examples if example.fold != held], recipe
        )
        held_out.append(
            (Pipeline([("features", features), ("labels", model)]), asked_of(messages, rows, held))
        )
    temperature = _temperature(held_out)
    unseen = []
    for labels, asked in held_out:
        _cool(labels[-1], temperature)
        unseen += judge_all(Judge(labels, languages), asked)
    thresholds = choose_thresholds(unseen)
    progress("learning from all of them", FOLDS + 3, steps)
    labels = Pipeline([("features", features), ("labels", _fit_labels(matrix, examples, recipe))])
    _cool(labels[-1], temperature)
    progress("done", steps, steps)
    return Training(
        models={"labels": labels, "languages": languages},
        languages=tuple(languages[-1].classes_),
        thresholds=thresholds,
        metrics=[row.as_data() for row in measure(unseen, thresholds, by="language")],
        described={
            "seed": recipe.seed,
            "digest": training_digest(recipe, data),
            "corpus_digest": corpus_digest(),
            "corpus_messages": len(messages),
            "data": dict(data),
            "data_messages": len(rows),
            "temperature": round(temperature, 4),
        },
    )


def asked_of(messages: Sequence[Message], rows: Sequence[Row], fold: int) -> list[Asked]:
    """The labelled messages of one fold, from the corpus and from files."""
    asked = [Asked(message.text, message.language, message.label, message.section)
             for message in messages if message.fold == fold]  # fmt: skip
    return asked + [
        Asked.of_row(row)
        for row in rows
        if row.label and row.fold == fold and row.weight == 1  # what was only reported sets nothing
    ]


def choose_thresholds(unseen: Sequence[Judged]) -> Thresholds:
    """Thresholds that keep the share of the innocent stopped under the target in every language."""
    direct = _threshold(unseen, attrgetter("unwanted"), FALSE_POSITIVE_TARGET, 0.6, 0.98)
    scam = _threshold(unseen, attrgetter("scam"), FALSE_POSITIVE_TARGET / 4, 0.9, 0.97)
    blatant = _threshold(unseen, attrgetter("promotional"), FALSE_POSITIVE_TARGET / 4, 0.97, 0.99)
    return Thresholds(
        direct=direct,
        direct_unknown_language=round(1 - (1 - direct) / 5, 4),
        marketing_scam=scam,
        reply_scam=scam,
        reply_promotional=blatant,
        template=direct,
        template_review=_threshold(unseen, attrgetter("unwanted"), REVIEW_TARGET, 0.5, direct),
    )


def _threshold(
    unseen: Sequence[Judged],
    of: Callable[[Judgement], float],
    target: float,
    least: float,
    most: float,
) -> float:
    """The least probability, in hundredths, that at most `target` of the innocent reach."""
    innocent = [item for item in unseen if item.label in INNOCENT]
    sizes = Counter(item.language for item in innocent)
    scores: dict[str, list[float]] = {}
    for item in innocent:
        language = item.language if sizes[item.language] >= INNOCENT_MIN else UNKNOWN_LANGUAGE
        scores.setdefault(language, []).append(of(item.judgement))
    worst = max(float(np.quantile(found, 1 - target)) for found in scores.values())
    return min(max(ceil(worst * 100 + 0.5) / 100, least), most)


def _features_of(features: MessageFeatures, texts: Sequence[str]) -> csr_matrix:
    matrix = features.transform(texts)
    matrix.sum_duplicates()
    return matrix


def _fit_labels(
    matrix: csr_matrix, examples: Sequence[Example], recipe: Recipe
) -> LogisticRegression:
    labels = [example.label for example in examples]
    return _fitted(matrix, labels, weights(examples), recipe, recipe.iterations_max)


def _fit_languages(
    matrix: csr_matrix, examples: Sequence[Example], recipe: Recipe
) -> LogisticRegression:
    known = [at for at, example in enumerate(examples) if example.language]
    languages = [examples[at].language for at in known]
    # Languages are far apart: a third of the steps tells them as well as all of them.
    model = _fitted(matrix[known], languages, None, recipe, recipe.iterations_max // 3)
    model.coef_ = np.asfortranarray(model.coef_, np.float32)
    return model


def _fitted(
    matrix: csr_matrix,
    classes: Sequence[str],
    weight: NDArray[np.float64] | None,
    recipe: Recipe,
    iterations: int,
) -> LogisticRegression:
    model = LogisticRegression(C=recipe.inverse_regularisation, max_iter=iterations)
    with warnings.catch_warnings():
        # The number of steps is a setting; stopping there is meant.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(matrix, classes, sample_weight=weight)


def _cool(model: LogisticRegression, temperature: float) -> None:
    """Calibrates a fitted model in place; rows of its weights stay contiguous by column."""
    model.coef_ = np.asfortranarray(model.coef_ / temperature, np.float32)
    model.intercept_ = model.intercept_ / temperature


def _temperature(held_out: Sequence[tuple[Pipeline, Sequence[Asked]]]) -> float:
    """What to divide scores by, so that probabilities are right on average in unseen patterns."""
    scores, right = [], []
    for pipeline, asked in held_out:
        certain = [item for item in asked if item.label in LABELS]
        order = [list(pipeline.classes_).index(label) for label in LABELS]
        scores.append(pipeline.decision_function([item.text for item in certain])[:, order])
        right += [LABELS.index(item.label) for item in certain]
    together = np.vstack(scores)

    def loss(temperature: float) -> float:
        cooled = together / temperature
        total = np.logaddexp.reduce(cooled, axis=1)
        return float(np.mean(total - cooled[np.arange(len(right)), right]))

    return float(minimize_scalar(loss, bounds=(0.2, 5.0), method="bounded").x)
