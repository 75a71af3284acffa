"""Owns what a business has used so far: units by market and category, money by day and month."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.billing.domain.rates import Category, Channel

# The market under which messages of the free allowance are counted.
ALLOWANCE_MARKET: Final = "*"


class UsageKey(NamedTuple):
    """What is counted together, in a month of a business."""

    channel: Channel
    market: str
    category: Category


@dataclass(slots=True)
class Usage:
    """What a business has used: units by key this month, micros spent today and this month."""

    units: dict[UsageKey, int] = field(default_factory=dict)
    today_micros: int = 0
    month_micros: int = 0

    def used(self, key: UsageKey) -> int:
        """The units so far."""
        return self.units.get(key, 0)

    def add(self, key: UsageKey, units: int) -> None:
        """Count units."""
        self.units[key] = self.units.get(key, 0) + units

    def spend(self, micros: int) -> None:
        """Count money."""
        self.today_micros += micros
        self.month_micros += micros
