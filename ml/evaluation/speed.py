"""Holds the path that judging takes against scikit-learn's own and ONNX Runtime: `make bench`.

    python -m ml.evaluation.speed

Each does the same work on the same messages with the same weights, on one core. A way is only worth
its speed where its probabilities are those of the fitted pipeline, to 1e-6. Where a part has no
equal elsewhere, what comes nearest is measured, and said to be something else.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Any

import joblib
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Table
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from threadpoolctl import threadpool_limits

from ml.command import output
from ml.embeddings import embed
from ml.evaluate import BATCH
from ml.evaluation.gate import corpus
from ml.fitting import scores_of
from ml.judge import softmax
from ml.judgement import LABELS
from ml.keys import read_public_key
from ml.models import Models
from ml.normalise import Views, views
from ml.places import RELEASED, Place
from ml.release import MODEL_FILE, load_verified
from ml.second import SecondLook, columns

Run = Callable[[slice], Any]  # does its part for these of the messages

SAME = 1e-6
_ALONE = 100
_ROUNDS = 3
_RUNS_OF_LETTERS = 20_000  # in the vocabulary of the pipeline that ONNX can read texts for


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do a part of the work, and what it costs a message."""

    part: str
    name: str
    alone_milliseconds: float  # median
    batched_milliseconds: float  # in batches of 256; the quickest of three rounds
    difference: float | None  # the largest of a probability; None where there is none to compare


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    fitted: str  # the way that says what was fitted; empty where none can be compared
    ways: dict[str, Run]


def measure(texts: Sequence[str], labels: Sequence[str], models: Models) -> list[Way]:
    """What each way costs on these messages; `labels` are for a pipeline that is fitted here."""
    seen = [views(text) for text in texts]
    parts = (_ngrams(seen, models), _first(seen, models), _second(seen, models),
             _vocabulary(seen, labels))  # fmt: skip
    return [way for part in parts for way in _measured(part, len(seen))]


def fitted(place: Place) -> Models:
    """A release as scikit-learn has it; to judge takes its numbers alone. Raises ModelRefused."""
    load_verified(place.model, read_public_key(place.public_key))
    return Models(**joblib.load(place.model / MODEL_FILE))


def _ngrams(seen: Sequence[Views], models: Models) -> _Part:
    """Texts to buckets. Another hash means other buckets: weights of one are none of the other."""
    features, texts = models.labels[0], [message.normalised for message in seen]
    same = {"n_features": 1 << features.bucket_bits, "alternate_sign": False, "lowercase": False}
    letters = features.letters_shortest, features.letters_longest
    union = FeatureUnion([
        ("words", HashingVectorizer(ngram_range=(1, 2), **same)),
        ("letters", HashingVectorizer(analyzer="char", ngram_range=letters, **same)),
    ])  # fmt: skip
    return _Part("n-grams to buckets", "", {
        "numpy": lambda at: features.of_views(seen[at]),
        "scikit-learn, other hashes": lambda at: union.transform(texts[at]),
    })  # fmt: skip


def _first(seen: Sequence[Views], models: Models) -> _Part:
    """Buckets to probabilities. ONNX Runtime reads no sparse rows: all 2¹⁸ columns are laid out."""
    features, model = models.labels[0], models.labels[-1]
    rows = features.of_views(seen)
    weights, bias = np.ascontiguousarray(model.coef_.T, np.float32), np.float32(model.intercept_)
    onnx = _onnx(model, rows.shape[1])
    return _Part("first look", "scikit-learn", {
        "scipy, sparse": lambda at: softmax(rows[at] @ weights + bias),
        "scikit-learn": lambda at: model.predict_proba(rows[at]),
        "ONNX Runtime, dense": lambda at: onnx(rows[at].toarray()),
    })  # fmt: skip


def _second(seen: Sequence[Views], models: Models) -> _Part:
    """Embeddings and facts to probabilities."""
    scores = scores_of(models.labels[-1], models.labels[0].of_views(seen))
    rows = columns(scores, *embed(seen), seen)
    second: Any = models.second
    look, onnx = SecondLook(second), _onnx(second, rows.shape[1])
    order = [list(second.classes_).index(label) for label in LABELS]
    return _Part("second look, embedded", "scikit-learn", {
        "numpy": lambda at: softmax(look.scores(rows[at])),
        "scikit-learn": lambda at: second.predict_proba(rows[at])[:, order],
        "ONNX Runtime": lambda at: onnx(rows[at])[:, order],
    })  # fmt: skip


def _vocabulary(seen: Sequence[Views], labels: Sequence[str]) -> _Part:
    """Texts to probabilities, by runs of letters in a vocabulary: hashes have no form in ONNX."""
    texts = [message.normalised for message in seen]
    counted = CountVectorizer(analyzer="char", ngram_range=(2, 3), lowercase=False,
                              max_features=_RUNS_OF_LETTERS)  # fmt: skip
    pipeline = make_pipeline(counted, LogisticRegression(max_iter=10))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ten steps are enough to have weights
        pipeline.fit(texts, labels)
    onnx = _onnx(pipeline, None)
    return _Part("vocabulary, text and all", "scikit-learn", {
        "scikit-learn": lambda at: pipeline.predict_proba(texts[at]),
        "ONNX Runtime": lambda at: onnx(np.array(texts[at])[:, None]),
    })  # fmt: skip


def _onnx(model: Any, columns: int | None) -> Callable[[Any], NDArray[np.float32]]:
    """A fitted model in ONNX Runtime: rows of so many columns, or texts, to probabilities."""
    kind = FloatTensorType([None, columns]) if columns else StringTensorType([None, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it doubts that letters are cut alike, and is right
        graph = convert_sklearn(model, initial_types=[("given", kind)], options={"zipmap": False})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda given: session.run(None, {"given": given})[1]


def _measured(part: _Part, count: int) -> list[Way]:
    batches = [slice(at, at + BATCH) for at in range(0, count, BATCH)]
    said = {name: np.vstack([run(at) for at in batches]) if part.fitted else np.zeros(0)
            for name, run in part.ways.items()}  # fmt: skip
    return [
        Way(
            part.name, name,
            1000 * median(_seconds(run, [slice(at, at + 1)]) for at in range(min(count, _ALONE))),
            1000 * min(_seconds(run, batches) for _ in range(_ROUNDS)) / count,
            float(np.abs(said[name] - said[part.fitted]).max()) if part.fitted else None,
        )
        for name, run in part.ways.items()
    ]  # fmt: skip


def _seconds(run: Run, batches: Sequence[slice]) -> float:
    start = process_time()
    for at in batches:
        run(at)
    return process_time() - start


def table(ways: Sequence[Way]) -> Table:
    """For reading."""
    shown = Table(title="The classifier's path and others, ms a message on one core",
                  title_justify="left", box=SIMPLE_HEAD)  # fmt: skip
    for heading in ("part", "way"):
        shown.add_column(heading)
    for heading in ("alone", f"of {BATCH}", "largest difference"):
        shown.add_column(heading, justify="right")
    for way in ways:
        difference = "not to compare" if way.difference is None else f"{way.difference:.0e}"
        shown.add_row(way.part, way.name, f"{way.alone_milliseconds:.3f}",
                      f"{way.batched_milliseconds:.4f}", difference,
                      style="red" if (way.difference or 0) > SAME else None)  # fmt: skip
    return shown


def main() -> None:
    """Measures the released model's parts on messages of the corpus, and shows the table."""
    models = fitted(RELEASED)
    messages = corpus()[: 4 * BATCH]
    with threadpool_limits(1):
        ways = measure([one.text for one in messages], [one.label for one in messages], models)
    output.print(table(ways))


if __name__ == "__main__":
    main()
