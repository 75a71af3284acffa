"""Owns what money that comes in is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.billing.domain.money import Money


@dataclass(frozen=True, slots=True)
class TopUp:
    """Money for a business, under an id that its sender minted."""

    top_up_id: UUID
    business_id: UUID
    amount: Money
    create_time: datetime

    def says_the_same_as(self, other: TopUp) -> bool:
        """Whether the two differ in nothing that a caller sets."""
        return (self.top_up_id, self.business_id, self.amount) == (
            other.top_up_id,
            other.business_id,
            other.amount,
        )
