"""Trains a model and writes it as a signed release."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml import show
from ml.checkpoints import Checkpoints
from ml.data import Row
from ml.release import Manifest, write_release
from ml.train import Progress, Recipe, train


def make_release(
    recipe: Recipe, rows: Sequence[Row], digests: Mapping[str, str], work: Path,
    out: Path, key: Ed25519PrivateKey, progress: Progress,
) -> Manifest:  # fmt: skip
    """The manifest of the release that is then in `out`; finished steps are kept in `work`.

    `digests`: the SHA-256 of each file that the rows came from. Raises CorpusError and OSError.
    """
    training = train(recipe, rows, digests, progress, Checkpoints(work))
    described = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "languages": list(training.languages),
        "thresholds": training.thresholds.as_data(),
        "training": training.described,
        "unseen": training.unseen.as_data(),
        "card": show.card(training.described),
    }
    return write_release(out, training.models, described, key)
