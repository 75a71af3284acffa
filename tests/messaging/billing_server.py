"""A billing of the test's own at the other end of the wire, with the ways in which a call fails."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any
from uuid import UUID

from hudhud.billing.v1 import billing_service_pb2 as pb
from hudhud.billing.v1.billing_service_pb2_grpc import (
    BillingServiceServicer,
    add_BillingServiceServicer_to_server,
)
from services.kit.config import ServiceSettings
from services.kit.errors import CommonReasons, Refusal
from services.kit.server import Server, Service
from services.local.certificates import Authority
from services.messaging.envelopes import money
from services.messaging.ports import ReservationRequest
from tests.messaging.fake_billing import FakeBilling


class BillingServer(BillingServiceServicer):
    """Answers CreateReservations from a fake; while `failing`, now and then not, or too late."""

    def __init__(self, billing: FakeBilling, chance: random.Random) -> None:
        self._billing = billing
        self._chance = chance
        self.failing = True

    async def CreateReservations(
        self, request: pb.CreateReservationsRequest, context: Any
    ) -> pb.CreateReservationsResponse:
        fate = self._chance.random() if self.failing else 1.0
        if fate < 0.05:
            raise Refusal(CommonReasons.OVERLOADED)
        answers = await self._billing.create_reservations(
            [
                ReservationRequest(
                    UUID(item.message_id),
                    UUID(item.business_id),
                    int(item.category),
                    item.destination_country,
                    item.window_open,
                    item.expire_time.ToDatetime(UTC),
                    *(
                        getattr(item, name).ToDatetime(UTC) if item.HasField(name) else None
                        for name in ("entry_point_time", "entry_point_answer_time")
                    ),
                )
                for item in request.items
            ]
        )
        if fate < 0.10:
            # The money is held, and nobody learns of it.
            raise Refusal(CommonReasons.OVERLOADED)
        return pb.CreateReservationsResponse(
            outcomes=[
                pb.ReservationOutcome(refusal=answer.to_proto())
                if isinstance(answer, Refusal)
                else pb.ReservationOutcome(price=money(answer))
                for answer in answers
            ]
        )


@asynccontextmanager
async def running(servicer: BillingServer, authority: Authority) -> AsyncIterator[str]:
    """Serve until left; yields the address."""
    files = authority.identity("billing")
    settings: dict[str, Any] = {
        "internal_listen": "127.0.0.1:0",
        "database_url": "none",
        "nats_url": "none",
        "tls_certificate_file": files.certificate_file,
        "tls_key_file": files.key_file,
        "tls_authority_file": files.authority_file,
    }
    server = Server(ServiceSettings(**settings))
    await server.start()
    try:
        await server.serve(Service([(add_BillingServiceServicer_to_server, servicer)]))
        yield str(server.internal_address)
    finally:
        await server.stop(0)
