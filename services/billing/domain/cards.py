"""Owns what an imported rate card is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Card:
    """A file of rates and free rules in one currency, as it was imported."""

    card_id: int
    name: str
    currency_code: str
    sha256: bytes
    create_time: datetime
    rate_count: int
    rule_count: int
