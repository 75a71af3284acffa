"""A billing without a ledger, at messaging's port: prices, credit, and what was held for whom.

It keeps the promises of `services.messaging.ports.Billing` that test_billing_port.py asks of it and
of the real one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from grpc import StatusCode

from services.kit.errors import Refusal, received_reason
from services.messaging.domain import Price
from services.messaging.ports import ReservationRequest

SERVICE = 4
CREDIT_MICROS = 10**12


class FakeBilling:
    """Holds money in memory. `rates` are micros by category; a category without one has no rate.

    Who came by a link and was answered within a day gets messages for nothing, for good.
    """

    def __init__(self) -> None:
        self.rates: dict[int, int] = {1: 20_000, 2: 10_000, 3: 60_000}
        self.credit: dict[UUID, int] = {}
        self.held: dict[tuple[UUID, UUID], tuple[ReservationRequest, Price]] = {}
        self.calls: list[Sequence[ReservationRequest]] = []
        self.failure: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def create_reservations(
        self, requests: Sequence[ReservationRequest]
    ) -> list[Price | Refusal]:
        self.calls.append(requests)
        await self.may_answer.wait()
        if self.failure is not None:
            raise self.failure
        return [self._reserve(request) for request in requests]

    def expire_time(self, business_id: UUID, message_id: UUID) -> datetime:
        """When what is held for this message ends by itself."""
        return self.held[business_id, message_id][0].expire_time

    def _reserve(self, request: ReservationRequest) -> Price | Refusal:
        key = (request.business_id, request.message_id)
        if key in self.held:
            earlier, price = self.held[key]
            if (earlier.category, earlier.destination_country) != (
                request.category,
                request.destination_country,
            ):
                return refused("MESSAGE_ID_REUSED", StatusCode.ALREADY_EXISTS)
            if request.expire_time > earlier.expire_time + timedelta(hours=12):
                return refused("RESERVATION_ENDED", StatusCode.FAILED_PRECONDITION)
            return price
        amount_micros = self.rates.get(request.category)
        if request.category == SERVICE and request.window_open:
            amount_micros = 0
        came, answered = request.entry_point_time, request.entry_point_answer_time
        if came and (answered is None or answered <= came + timedelta(days=1)):
            amount_micros = 0
        if amount_micros is None:
            return refused("NO_RATE", StatusCode.FAILED_PRECONDITION)
        left = self.credit.get(request.business_id, CREDIT_MICROS)
        if amount_micros > left:
            return refused("INSUFFICIENT_CREDIT", StatusCode.FAILED_PRECONDITION)
        self.credit[request.business_id] = left - amount_micros
        price = Price("USD", amount_micros)
        self.held[key] = (request, price)
        return price


def refused(name: str, status: StatusCode) -> Refusal:
    """A refusal in billing's name, as it comes over the wire."""
    return Refusal(received_reason(name, "billing.hudhud", status.value[0]), f"{name}.")
