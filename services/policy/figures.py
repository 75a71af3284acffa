"""Owns what policy counts: verdicts, scores of texts by language, the model that decides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from prometheus_client import Counter, Gauge, Histogram

from services.policy.domain.messages import Category
from services.policy.domain.verdicts import Opinion

_VERDICTS: Final = Counter(
    "hudhud_screening_verdicts_total",
    "Messages judged, by category and by the language that the classifier took them for",
    ["category", "language", "verdict"],
)
_SCORES: Final = Histogram(
    "hudhud_screening_unwanted_probability",
    "How probably a text is promotional or scam, by language",
    ["language"],
    buckets=(0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1),
)
_MODEL: Final = Gauge("hudhud_model_info", "1 for the model that decides here", ["version"])

_NO_OPINION: Final = "none"  # nothing to read, or the classifier abstained


class Judged(NamedTuple):
    """One message after its judgement."""

    category: Category
    opinion: Opinion | None
    blocked: bool


def count_judged(judged: Iterable[Judged]) -> None:
    """Count the messages of a batch."""
    for category, opinion, blocked in judged:
        language = opinion.language_code if opinion else _NO_OPINION
        verdict = "blocked" if blocked else "cleared"
        _VERDICTS.labels(category.name.lower(), language, verdict).inc()
        if opinion:
            _SCORES.labels(language).observe(opinion.unwanted)


def tell_model(version: str) -> None:
    """Tell which model decides from now on."""
    _MODEL.clear()
    _MODEL.labels(version).set(1)
