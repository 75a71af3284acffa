"""Owns the questions that messaging asks others, in its own words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from services.kit.errors import Refusal
from services.messaging.domain import Price


class ReservationRequest(NamedTuple):
    """Hold the price of this message."""

    message_id: UUID
    business_id: UUID
    category: int
    destination_country: str
    window_open: bool
    expire_time: datetime
    # When the person came by the business's link, and when it last answered one who had.
    entry_point_time: datetime | None = None
    entry_point_answer_time: datetime | None = None


class Billing(Protocol):
    """Where money is held."""

    async def create_reservations(
        self, requests: Sequence[ReservationRequest]
    ) -> list[Price | Refusal]:
        """For each request what is held, or why nothing is; safe to repeat.

        Raises `Refusal` where billing does not answer.
        """
