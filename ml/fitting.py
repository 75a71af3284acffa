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
    rows: Floats, classes: NDArray[np.str_], hidden: int, penalty: float, epochs: int, seed: int
) -> Pipeline:
    """A scaler and a network with one hidden layer."""
    network = MLPClassifier(
        (hidden,), alpha=penalty, max_iter=epochs, batch_size=256, random_state=seed
    )
    pipeline = Pipeline([("scaler", StandardScaler()), ("network", network)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipeline.fit(rows, classes)
    for name in _OPTIMISER_ONLY:
        if hasattr(network, name):
            delattr(network, name)
    return pipeline


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
