"""Owns what the edge counts: what became of the messages that it was to send."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from typing import Final

from prometheus_client import Counter

from services.ends.edge.domain import Outcome, Outgoing, Sent, Stopped
from services.kit.errors import Refusal

_OUTCOMES: Final = Counter(
    "hudhud_send_outcomes_total",
    "What became of messages to send, by category as far as it is known",
    ["category", "outcome"],
)


def count_outcomes(messages: Sequence[Outgoing], outcomes: Sequence[Outcome | Exception]) -> None:
    """Count the messages of a batch."""
    # A template's category is policy's to say, and so known once it has passed.
    tally = Tally(
        (outcome.category if isinstance(outcome, Sent) else message.category, _name(outcome))
        for message, outcome in zip(messages, outcomes, strict=True)
    )
    for (category, name), count in tally.items():
        _OUTCOMES.labels(category.name.lower(), name).inc(count)


def _name(outcome: Outcome | Exception) -> str:
    """Whether it is on its way, or the reason why it is not."""
    match outcome:
        case Sent():
            return "accepted"
        case Stopped():
            return "blocked"
        case Refusal():
            return outcome.reason.name
    return "fault"
