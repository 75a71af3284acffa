"""Cuts messages into what is judged: each as a whole, and each of its parts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.figures import numbers_reduced
from ml.normalise import Views, views_of_reduced
from ml.parts import parts

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Pieces:
    """The pieces of some messages, one message after another; the first of each is the whole."""

    views: list[Views]
    owners: Indices  # whose each piece is
    bounds: list[tuple[int, int]]  # where it begins and ends in the text as sent

    @property
    def wholes(self) -> Indices:
        """Where the whole of each message stands."""
        return np.flatnonzero(np.diff(self.owners, prepend=-1))


def pieces_of(texts: Sequence[str]) -> Pieces:
    """The pieces of each text, with its numbers reduced to their size."""
    views: list[Views] = []
    owners: list[int] = []
    bounds: list[tuple[int, int]] = []
    for index, text in enumerate(texts):
        reduced = numbers_reduced(text)
        views.append(views_of_reduced(reduced))
        owners.append(index)
        bounds.append((0, len(text)))
        cut = parts(reduced)
        if len(cut) > 1:
            original = parts(text) if len(reduced) != len(text) else cut
            views.extend(views_of_reduced(reduced[start:end]) for start, end in cut)
            owners.extend([index] * len(cut))
            bounds.extend(original if len(original) == len(cut) else [(0, len(text))] * len(cut))
    return Pieces(views, np.array(owners, np.intp), bounds)
