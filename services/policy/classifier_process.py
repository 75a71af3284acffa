"""Owns the classifier's process: it loads the model once it is verified, and answers questions.

    python -m services.policy.classifier_process

A question is a line of JSON on standard input, its answer a line of JSON on standard output, in the
order of the questions; the first one says what to load. It ends when its input does, so it cannot
outlive whoever asks. scikit-learn is loaded here and nowhere else.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


def main() -> None:
    """Answer until the input ends."""
    # The terminal's Ctrl-C is for the process that asks; this one ends with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # One batch at a time on one core; more threads would only cost memory.
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    # What a library prints must not be taken for an answer.
    sys.stdout = sys.stderr
    from ml.errors import ModelRefused

    asked = json.loads(next(questions))
    directory, verification_key = asked["load"]
    try:
        classifier = _load(Path(directory), verification_key.encode())
    except (ModelRefused, ValueError) as error:
        _answer(answers, {"refused": f"{type(error).__name__}: {error}"})
        return
    # The first batch pays for what is made lazily; let it be this one.
    classifier.prepare()
    classifier.judge(["Your parcel arrives tomorrow.", "طردك يصل غدًا."])
    # A model that only watches gives way to everybody who works; once it is there, or that would
    # take for ever on a busy machine.
    os.nice(asked["niceness"])
    manifest = classifier.manifest
    _answer(
        answers,
        {
            "model_id": f"{manifest.created[:10]} {manifest.version}",
            "thresholds": manifest.thresholds.as_data(),
            "version": manifest.version,
            "digest": manifest.digest,
            "created": manifest.created,
            "languages": manifest.languages,
            "card": manifest.card,
        },
    )
    for line in questions:
        match json.loads(line):
            case {"read": texts}:
                _answer(answers, _read(classifier, texts))
            case {"explain": texts}:
                _answer(answers, [_explain(classifier, text) for text in texts])


def _load(directory: Path, verification_keys: bytes) -> Any:
    """Raises ModelRefused before anything is unpickled, and ValueError for a bad key.

    `verification_keys` is one public key in PEM after another; any of them may have signed.
    """
    from ml.errors import SignedByAnotherKey
    from ml.release import load_verified

    refused: Exception = ValueError("there is no public key in PEM to verify the model with")
    for key in _keys(verification_keys):
        try:
            # What is refused is refused before scikit-learn is loaded, which takes longest.
            manifest, models = load_verified(directory, key)
        except SignedByAnotherKey as error:
            refused = error
            continue
        from ml.classifier import Classifier

        return Classifier(models, manifest)
    raise refused


def _keys(pem: bytes) -> Iterator[Any]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    for block in _PEM.findall(pem):
        key = load_pem_public_key(block)
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("a key that verifies the model is not an Ed25519 key")
        yield key


def _read(classifier: Any, texts: Sequence[str]) -> list[Any]:
    """For each text the fields of an Opinion, in their order; null: it abstains."""
    from ml.judgement import UNKNOWN_LANGUAGE

    return [
        None
        if judgement.abstention
        else [
            judgement.promotional,
            judgement.scam,
            judgement.language != UNKNOWN_LANGUAGE,
            judgement.transactional,
            judgement.personal,
            judgement.language,
        ]
        for judgement in classifier.judge(texts)
    ]


def _explain(classifier: Any, text: str) -> dict[str, Any]:
    """Where the classifier looked most, and how words were hidden."""
    from ml.normalise import views
    from ml.sentences import DISGUISES

    return {
        "spans": [[span.start, span.end] for span in classifier.explain(text).spans],
        "disguises": [sign for sign in views(text).evidence if sign in DISGUISES],
    }


def _answer(answers: BinaryIO, answer: Any) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
