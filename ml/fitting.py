"""Fits the models that a release is made of, each to arrays that are there already."""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from ml.judgement import LABELS

Floats = NDArray[np.float32]
_OPTIMISER_ONLY = ("_optimizer", "_random_state", "_no_improvement_count", "loss_curve_")


def fit_linear(
    matrix: csr_matrix,
    classes: Sequence[str] | NDArray[np.str_],
    weights: NDArray[np.float64] | None,
    inverse_regularisation: float,
    iterations_max: int,
) -> LogisticRegression:
    """A logistic regression over hashed n-grams.

    Its weights are of half precision, which is what a release keeps; rows contiguous by column.
    """
    model = LogisticRegression(C=inverse_regularisation, max_iter=iterations_max)
    with warnings.catch_warnings():
        # The number of steps is a setting; stopping there is meant.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(matrix, classes, sample_weight=weights)
    _halve(model)
    return model


def fit_second(
    lessons: Sequence[tuple[Floats, NDArray[np.str_]]],
    hidden: int,
    penalty: float,
    epochs: int,
    seed: int,
) -> Pipeline:
    """A scaler and a committee of networks with one hidden layer, kept as a single network.

    Each member learns from one of `lessons`, rows and their classes, and from a beginning of its
    own; together they say the mean of their log-odds, which errs less far from what they learned
    than any of them does (Breiman 1996).
    """
    scaler = StandardScaler().fit(lessons[0][0])
    members = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for member, (rows, classes) in enumerate(lessons):
            network = MLPClassifier(
                (hidden,), alpha=penalty, max_iter=epochs, batch_size=256,
                random_state=seed + member,
            )  # fmt: skip
            members.append(network.fit(scaler.transform(rows), classes))
    return Pipeline([("scaler", scaler), ("network", _as_one(members))])


def _as_one(members: Sequence[MLPClassifier]) -> MLPClassifier:
    """Their hidden layers beside one another, their answers averaged."""
    whole = members[0]
    share = np.float32(1 / len(members))
    whole.coefs_ = [
        np.hstack([member.coefs_[0] for member in members]),
        np.vstack([member.coefs_[1] for member in members]) * share,
    ]
    whole.intercepts_ = [
        np.hstack([member.intercepts_[0] for member in members]),
        np.sum([member.intercepts_[1] for member in members], axis=0) * share,
    ]
    whole.hidden_layer_sizes = (whole.coefs_[0].shape[1],)
    for name in _OPTIMISER_ONLY:
        if hasattr(whole, name):
            delattr(whole, name)
    return whole


def scores_of(model: LogisticRegression, matrix: csr_matrix) -> Floats:
    """Log-odds, in the order of LABELS."""
    order = [list(model.classes_).index(label) for label in LABELS]
    weights = np.ascontiguousarray(model.coef_[order].T, np.float32)
    scores: Floats = matrix @ weights + np.float32(model.intercept_[order])
    return scores


def cool(model: LogisticRegression, temperature: float) -> None:
    """Calibrates a fitted linear model in place."""
    model.coef_ = model.coef_ / temperature
    model.intercept_ = model.intercept_ / temperature
    _halve(model)


def cool_second(pipeline: Pipeline, temperature: float) -> None:
    """Calibrates a fitted network in place."""
    network = pipeline[-1]
    network.coefs_[-1] = network.coefs_[-1] / np.float32(temperature)
    network.intercepts_[-1] = network.intercepts_[-1] / np.float32(temperature)


def temperature_of(scores: Floats, right: NDArray[np.intp]) -> float:
    """What to divide scores by, so that probabilities are right on average (Guo et al. 2017)."""

    def loss(temperature: float) -> float:
        cooled = scores / temperature
        total = np.logaddexp.reduce(cooled, axis=1)
        return float(np.mean(total - cooled[np.arange(len(right)), right]))

    return float(minimize_scalar(loss, bounds=(0.2, 5.0), method="bounded").x)


def _halve(model: LogisticRegression) -> None:
    # scikit-learn wants single precision; what is nought in it takes no room when it is packed.
    model.coef_ = np.asfortranarray(model.coef_.astype(np.float16), np.float32)
