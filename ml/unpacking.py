"""Reads the pipelines of a release without scikit-learn.

To judge takes the numbers that were fitted, and no code of scikit-learn's: importing it would cost
every process that judges 60 MB and two seconds.
"""

import io
import lzma
from typing import Any

from joblib.numpy_pickle import NumpyUnpickler


class Fitted:
    """What scikit-learn fitted: its attributes by their names, and a pipeline's steps by index."""

    steps: list[tuple[str, Any]]

    def __getitem__(self, index: int) -> Any:
        return self.steps[index][1]


def unpacked(packed: bytes) -> dict[str, Any]:
    """The fitted pipelines in a `model.joblib`. It must be trusted: unpickling runs code."""
    with lzma.open(io.BytesIO(packed)) as pickled:
        pipelines: dict[str, Any] = _Unpickler("", pickled, ensure_native_byte_order=True).load()
    return pipelines


class _Unpickler(NumpyUnpickler):  # type: ignore[misc]
    def find_class(self, module: str, name: str) -> Any:
        return Fitted if module.startswith("sklearn.") else super().find_class(module, name)
