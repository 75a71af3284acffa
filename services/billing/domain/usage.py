"""Owns what a business has used so far: units by market and category, money by day and month."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from services.billing.domain.rates import Category, Channel

# The market under which messages of the free allowance are counted.
ALLOWANCE_MARKET: Final = "*"


class UsageKey(NamedTuple):
    """What is counted together, in a month."""

    business_id: UUID
    channel: Channel
    market: str
    category: Category


@dataclass(slots=True)
class Usage:
    """What businesses have used: units by key this month, micros spent today and this month."""

    units: dict[UsageKey, int] = field(default_factory=dict)
    today_micros: dict[UUID, int] = field(default_factory=dict)
    month_micros: dict[UUID, int] = field(default_factory=dict)

    def copy(self) -> Usage:
        """One that can count on without changing this."""
        return Usage(dict(self.units), dict(self.today_micros), dict(self.month_micros))

    def add(self, key: UsageKey, units: int) -> None:
        """Count units."""
        self.units[key] = self.units.get(key, 0) + units

    def spend(self, business_id: UUID, micros: int) -> None:
        """Count money."""
        self.today_micros[business_id] = self.today_micros.get(business_id, 0) + micros
        self.month_micros[business_id] = self.month_micros.get(business_id, 0) + micros
