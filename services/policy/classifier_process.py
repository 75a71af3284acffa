"""Owns what happens in the classifier's process: loading the model once it is verified, opinions.

Policy's own process imports this module too, for the names of what it asks; scikit-learn is loaded
only by what runs in the other one.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from multiprocessing import parent_process
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from services.policy.domain.evidence import Span
from services.policy.domain.verdicts import Model, Opinion

if TYPE_CHECKING:
    from ml.classifier import Classifier


class ModelRefused(Exception):
    """The model is not as it was released, not released under our key, or does not fit."""


class Loaded(NamedTuple):
    """What was loaded, and where."""

    model: Model
    process_id: int


class Explanation(NamedTuple):
    """Why an opinion is what it is."""

    spans: tuple[Span, ...]  # the parts that weighed most
    disguises: tuple[str, ...]  # how words were hidden


# How words are hidden, as `ml.normalise` names it. Loudness is no disguise.
DISGUISES = ("lookalikes", "invisible", "spaced", "leet")

_loaded: list[Classifier] = []


def begin() -> None:
    """Be nobody's but policy's: end with it, and not by the terminal's Ctrl-C before it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # One batch at a time on one core; more threads would only cost memory.
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    threading.Thread(target=_end_with_parent, daemon=True).start()


def load(directory: str, verification_key: bytes) -> Loaded:
    """Load the model. `verification_key` is the PEM of an Ed25519 public key.

    Raises ModelRefused, before anything of the model is unpickled.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from ml import errors
    from ml.classifier import Classifier

    key = load_pem_public_key(verification_key)
    if not isinstance(key, Ed25519PublicKey):
        raise ModelRefused("The key that verifies the model is not an Ed25519 key.")
    try:
        classifier = Classifier.load(Path(directory), key)
    except errors.ModelRefused as error:
        raise ModelRefused(str(error)) from None
    # The first batch pays for what is compiled and allocated lazily; let it be this one.
    classifier.judge(["Your parcel arrives tomorrow.", "طردك يصل غدًا."])
    _loaded[:] = [classifier]
    manifest = classifier.manifest
    model_id = f"{manifest.created[:10]} {manifest.version}"
    return Loaded(Model(model_id, manifest.thresholds.as_data()), os.getpid())


def read(texts: Sequence[str]) -> list[Opinion | None]:
    """An opinion of each text; None where the model abstains: too little text, unknown script."""
    from ml.judgement import UNKNOWN_LANGUAGE

    return [
        None
        if judgement.abstention
        else Opinion(judgement.promotional, judgement.scam, judgement.language != UNKNOWN_LANGUAGE)
        for judgement in _loaded[0].judge(texts)
    ]


def explain(text: str) -> Explanation:
    """What an opinion of this text rests on."""
    from ml.normalise import views

    explained = _loaded[0].explain(text)
    return Explanation(
        tuple(Span(span.start, span.end) for span in explained.spans),
        tuple(sign for sign in views(text).evidence if sign in DISGUISES),
    )


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(0)
