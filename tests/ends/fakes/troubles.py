"""What can go wrong with a peer, told to a fake by a test."""

from __future__ import annotations

from collections import Counter

from services.kit.errors import CommonReasons, Refusal


class Troubles:
    """Refusals by method, and answers that get lost; counts every call."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.refusals: dict[str, Refusal] = {}
        self.lost_answers: Counter[str] = Counter()

    def begin(self, method: str) -> None:
        """A call came. Raises the refusal that was set for it."""
        self.calls[method] += 1
        if method in self.refusals:
            raise self.refusals[method]

    def end(self, method: str) -> None:
        """The call was done. Raises, where its answer is to be lost."""
        if self.lost_answers[method] > 0:
            self.lost_answers[method] -= 1
            raise away()


def away() -> Refusal:
    """What a caller sees of a peer that does not answer."""
    return Refusal(CommonReasons.DEPENDENCY_UNAVAILABLE)
