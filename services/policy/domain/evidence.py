"""Owns what is found against a message: by which witness, how much it weighs, and where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, NamedTuple


class Code(IntEnum):
    """What was found; numbered as in hudhud.policy.v1.Evidence."""

    PROMOTIONAL_CONTENT = 1
    SCAM_CONTENT = 2
    NO_MARKETING_CONSENT = 3
    RECIPIENT_DECLINED = 4
    DISGUISED_TEXT = 5
    PARAMETER_ABUSE = 6
    CATEGORY_MISMATCH = 7


class Span(NamedTuple):
    """A part of a text, in code points; the end is not included."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What a witness says. Its weight adds to what other witnesses say."""

    code: Code
    witness: str
    weight: float
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """A finding that counted, as it is kept and told. Sentences are made from it when it is told,
    so that no text of a message is ever kept.
    """

    code: Code
    witness: str
    language: str
    spans: tuple[Span, ...] = ()

    @property
    def by_classifier(self) -> bool:
        """Whether the classifier said so, and not a rule."""
        return self.witness.startswith("classifier ")

    def at(self, spans: tuple[Span, ...]) -> Evidence:
        """The same, found in these places."""
        return replace(self, spans=spans)

    def to_json(self) -> dict[str, Any]:
        """The form in which it is stored."""
        return {
            "code": int(self.code),
            "witness": self.witness,
            "language": self.language,
            "spans": [list(span) for span in self.spans],
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Evidence:
        """What `to_json` made."""
        return cls(
            Code(stored["code"]),
            stored["witness"],
            stored["language"],
            tuple(Span(*span) for span in stored["spans"]),
        )
