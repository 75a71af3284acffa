"""A small model for tests of the machinery, and the real one for tests of its judgement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ml.classifier import Classifier
from ml.corpus.expand import Shares
from ml.keys import read_public_key
from ml.places import RELEASED
from ml.release import write_release
from ml.train import Recipe, Training, train

# Trains in a second or two; good enough to tell an advertisement from a greeting, and no more.
SMALL = Recipe(
    shares=Shares(from_pattern=1, hard_pairs=0.2), languages=("ar", "en"), bucket_bits=13,
    language_bits=11, iterations_max=9, second_look=False,
)  # fmt: skip
# For tests of training itself, which need no judgement at all.
TINY = replace(SMALL, languages=("sw", "th"))


@dataclass(frozen=True)
class Release:
    """A signed small model in a folder."""

    folder: Path
    key: Ed25519PrivateKey


def in_silence(*_: Any) -> None:
    """No progress display."""


@pytest.fixture(scope="session")
def small_training() -> Training:
    return train(SMALL, [], {}, in_silence)


@pytest.fixture(scope="session")
def tiny_training() -> Training:
    return train(TINY, [], {}, in_silence)


@pytest.fixture(scope="session")
def signing_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def described(small_training: Training) -> dict[str, Any]:
    return {
        "created": "2026-03-01T12:00:00+00:00",
        "languages": list(small_training.languages),
        "thresholds": small_training.thresholds.as_data(),
        "training": small_training.described,
        "unseen": small_training.unseen.as_data(),
        "card": "A small model.",
    }


@pytest.fixture
def release(
    small_training: Training,
    described: dict[str, Any],
    signing_key: Ed25519PrivateKey,
    tmp_path: Path,
) -> Release:
    """A folder of its own for each test, to be tampered with."""
    write_release(tmp_path / "model", small_training.models, described, signing_key)
    return Release(tmp_path / "model", signing_key)


@pytest.fixture
def public_key_file(release: Release, tmp_path: Path) -> Path:
    path = tmp_path / "release.pub"
    path.write_bytes(
        release.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return path


@pytest.fixture
def with_model(release: Release, public_key_file: Path) -> list[str]:
    """The options of a command that make it use the small model."""
    return ["--model", str(release.folder), "--public-key", str(public_key_file)]


@pytest.fixture
def small_classifier(release: Release) -> Classifier:
    return Classifier.load(release.folder, release.key.public_key())


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    """The released model."""
    return Classifier.load(RELEASED.model, read_public_key(RELEASED.public_key))


@pytest.fixture(scope="session")
def blocked(classifier: Classifier) -> Callable[[str], bool]:
    """Whether a text is stopped as a direct message to somebody who gave no consent."""
    return lambda text: classifier.thresholds.blocks_direct(classifier.judge([text])[0])
