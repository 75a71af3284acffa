"""Which pieces are looked at a second time, and which piece of a message decides.

The first look, at n-grams, costs a tenth of the second one. It settles what it is sure of: messages
of which no piece is suspicious, and messages of which one piece is beyond doubt.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Cascade:
    """The bounds within which a second look is taken, and what the first one counts beside it."""

    innocent: float  # the probability of unwanted up to which the first look lets pass
    unwanted: float  # the one from which on the first look stops
    first: float = 0.0  # how much of the first look's log-odds is added to those of the second

    def open(self, unwanted: Floats, owners: Indices) -> NDArray[np.bool_]:
        """Which pieces are to be looked at again, given what the first look says of each.

        `owners` says whose each piece is, in order. Of a message that is not settled, those pieces
        are that are not innocent by themselves.
        """
        worst = np.maximum.reduceat(unwanted, _starts(owners))
        unsettled = (worst > self.innocent) & (worst < self.unwanted)
        found: NDArray[np.bool_] = unsettled[owners] & (unwanted > self.innocent)
        return found

    def as_data(self) -> dict[str, float]:
        """For the manifest."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> "Cascade":
        """From the manifest. Raises TypeError or ValueError."""
        return cls(**{name: float(value) for name, value in data.items()})


NEVER_TWICE = Cascade(innocent=2.0, unwanted=2.0)


def worst_pieces(unwanted: Floats, owners: Indices) -> Indices:
    """The most unwanted piece of each message. `owners` is in order, and every message has one."""
    order = np.lexsort((unwanted, owners))
    ends = np.append(np.flatnonzero(np.diff(owners[order])), len(order) - 1)
    worst: Indices = order[ends]
    return worst


def _starts(owners: Indices) -> Indices:
    return np.flatnonzero(np.diff(owners, prepend=-1))
