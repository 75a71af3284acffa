"""Cuts messages into what is judged: each as a whole, each of its parts, its beginnings and ends.

A beginning is the message without its last parts, an end the message without its first ones: an
advertisement of several parts is whole in one of them, whatever was put before or behind it.
"""

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


_PARTS_MAX = 8  # a longer message is judged by its parts alone


def _windows(cut: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts, and what begins or ends the message with more than one of them."""
    if len(cut) > _PARTS_MAX:
        return cut
    begins = [(cut[0][0], end) for _, end in cut[1:-1]]
    ends = [(start, cut[-1][1]) for start, _ in cut[1:-1]]
    return [*cut, *begins, *ends]


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
            found = _windows(cut)
            views.extend(views_of_reduced(reduced[start:end]) for start, end in found)
            owners.extend([index] * len(found))
            alike = len(original) == len(cut)
            bounds.extend(_windows(original) if alike else [(0, len(text))] * len(found))
    return Pieces(views, np.array(owners, np.intp), bounds)
