"""Owns what is counted while a model in shadow judges beside the live one: no content."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from services.policy.domain.messages import MessageKey
from services.policy.domain.verdicts import UNKNOWN_LANGUAGE, Opinion

BINS: Final = 20
LABELS: Final = ("promotional", "scam", "transactional", "personal")


class Decisions(NamedTuple):
    """What two models decided about a message."""

    language_code: str
    use: str
    live_blocked: bool
    shadow_blocked: bool


class Score(NamedTuple):
    """Where a probability lies."""

    language_code: str
    label: str
    by_shadow: bool
    bin: int  # of equal width, from 0


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A message about which two models decided otherwise: one would stop it, the other not."""

    key: MessageKey
    language_code: str
    use: str
    live_blocked: bool
    screen_time: datetime


@dataclass(slots=True)
class Tally:
    """What was counted."""

    dropped: int = 0
    decisions: Counter[Decisions] = field(default_factory=Counter)
    scores: Counter[Score] = field(default_factory=Counter)

    @property
    def judged(self) -> int:
        """Messages that both judged."""
        return self.decisions.total()

    def count(self, decisions: Decisions, live: Opinion | None, shadow: Opinion | None) -> None:
        """One message more. A model that abstains has no scores."""
        self.decisions[decisions] += 1
        for by_shadow, opinion in ((False, live), (True, shadow)):
            if opinion is not None:
                for label in LABELS:
                    place = min(int(getattr(opinion, label) * BINS), BINS - 1)
                    self.scores[Score(decisions.language_code, label, by_shadow, place)] += 1

    def add(self, other: Tally) -> None:
        """What somebody else counted."""
        self.dropped += other.dropped
        self.decisions.update(other.decisions)
        self.scores.update(other.scores)

    def to_json(self) -> dict[str, Any]:
        """The form in which it is stored."""
        return {
            "dropped": self.dropped,
            "decisions": [[*decisions, count] for decisions, count in self.decisions.items()],
            "scores": [[*score, count] for score, count in self.scores.items()],
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Tally:
        """What `to_json` made."""
        return cls(
            stored["dropped"],
            Counter({Decisions(*key): count for *key, count in stored["decisions"]}),
            Counter({Score(*key): count for *key, count in stored["scores"]}),
        )


def language_of(opinion: Opinion | None) -> str:
    """The language in which a model read a text; "und" where it abstained."""
    return opinion.language_code if opinion is not None else UNKNOWN_LANGUAGE
