"""Keeps what a training has finished, so that one that was cut short goes on where it stopped."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Checkpoints:
    """Arrays in a folder, each with the digest of what it was made from in its name."""

    def __init__(self, folder: Path | None) -> None:
        """Without a folder nothing is kept."""
        self._folder = folder
        self._used: set[str] = set()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def array(self, name: str, made_from: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """The array of that name made from that, or `make` makes it now."""
        if self._folder is None:
            return make()
        file = f"{name}-{hashlib.sha256(made_from.encode()).hexdigest()[:16]}.npy"
        self._used.add(file)
        path = self._folder / file
        try:
            found: NDArray[Any] = np.load(path, allow_pickle=False)
            return found
        except (FileNotFoundError, ValueError, EOFError):
            pass  # not made yet, or the machine went down before it was on the disk
        made = make()
        draft = path.with_name(f".{file}")
        with draft.open("wb") as sink:
            np.save(sink, made, allow_pickle=False)
        draft.replace(path)
        return made

    def forget_others(self) -> None:
        """Removes what this training did not use."""
        if self._folder is not None:
            for path in self._folder.glob("*.npy"):
                if path.name not in self._used:
                    path.unlink()
