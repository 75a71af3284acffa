"""What the classifier says about one message."""

from dataclasses import dataclass
from enum import StrEnum

UNKNOWN_LANGUAGE = "und"  # as ISO 639-2 calls it
INNOCENT = ("transactional", "personal")
LABELS = ("promotional", "scam", *INNOCENT)


class Abstention(StrEnum):
    """Why the classifier says nothing."""

    TOO_LITTLE_TEXT = "too little text"
    UNKNOWN_SCRIPT = "unknown script"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Probabilities of the four classes for a message, or rather for its most suspicious part.

    They sum to one; after an abstention all are zero.
    """

    promotional: float
    scam: float
    transactional: float
    personal: float
    language: str  # ISO 639-1, or UNKNOWN_LANGUAGE
    abstention: Abstention | None = None

    @property
    def unwanted(self) -> float:
        """The probability that nobody asked for it: an advertisement or a scam."""
        return self.promotional + self.scam

    @property
    def label(self) -> str | None:
        """The most probable class; none after an abstention."""
        if self.abstention:
            return None
        return max(LABELS, key=lambda label: getattr(self, label))


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the original text, in characters, and its share of the verdict (0 to 1)."""

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A judgement and the pieces of the text that weighed most in it, heaviest first."""

    judgement: Judgement
    part: tuple[int, int]  # where the part that was decisive begins and ends
    spans: tuple[Span, ...]
