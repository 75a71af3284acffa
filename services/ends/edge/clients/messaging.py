"""Hands sealed messages to messaging, and takes what people send back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from typing import Any

from hudhud.clearance.v1 import clearance_pb2
from hudhud.messaging.v1 import (
    message_pb2,
    messaging_service_pb2,
    messaging_service_pb2_grpc,
)
from services.ends.edge.domain import Ack, Dispatch, Incoming, Price, Promise
from services.kit.client import Channel, Stream
from services.kit.errors import Refusal

# The same request again, to the byte, is answered with what became of the first.
RETRIED = ("hudhud.messaging.v1.MessagingService/AcceptMessages",)


class MessagingClient:
    """The port Messaging over gRPC."""

    def __init__(self, channel: Channel, edge_id: str) -> None:
        stub: Any = messaging_service_pb2_grpc.MessagingServiceStub
        self._stub = stub(channel)
        self._edge_id = edge_id

    async def accept(self, dispatches: Sequence[Dispatch]) -> list[Promise | Refusal]:
        response = await self._stub.AcceptMessages(
            messaging_service_pb2.AcceptMessagesRequest(
                items=[self._accept_item(dispatch) for dispatch in dispatches]
            )
        )
        return [promise_of(outcome) for outcome in response.outcomes]

    def attach(self) -> EdgeMailboxStream:
        return EdgeMailboxStream(self._stub.Attach(), self._edge_id)

    def _accept_item(self, dispatch: Dispatch) -> messaging_service_pb2.AcceptItem:
        item = messaging_service_pb2.AcceptItem(
            clearance=clearance_pb2.SignedClearance.FromString(dispatch.clearance.signed),
            sender_end_id=self._edge_id,
            envelopes=[
                message_pb2.SealedEnvelope(
                    end_id=sealed.end_id, olm_type=sealed.olm_type, ciphertext=sealed.ciphertext
                )
                for sealed in dispatch.envelopes
            ],
        )
        if dispatch.time_to_live is not None:
            item.time_to_live.FromTimedelta(dispatch.time_to_live)
        return item


def promise_of(outcome: messaging_service_pb2.AcceptOutcome) -> Promise | Refusal:
    """What messaging said of one message."""
    if outcome.HasField("refusal"):
        return Refusal.from_proto(outcome.refusal)
    accepted = outcome.accepted
    return Promise(
        accept_time=accepted.accept_time.ToDatetime(UTC),
        expire_time=accepted.expire_time.ToDatetime(UTC),
        price=Price(accepted.price.amount_micros, accepted.price.currency_code),
    )


class EdgeMailboxStream:
    """The port MailboxStream: one delivery stream, as the contract of Attach says."""

    def __init__(self, stream: Stream, edge_id: str) -> None:
        self._stream = stream
        self._edge_id = edge_id

    async def __aenter__(self) -> EdgeMailboxStream:
        start = messaging_service_pb2.AttachStart(end_id=self._edge_id)
        await self._stream.write(messaging_service_pb2.AttachRequest(start=start))
        return self

    async def __aexit__(self, *error: object) -> None:
        self._stream.cancel()

    async def __aiter__(self) -> AsyncIterator[list[Incoming]]:
        while (response := await self._stream.read()) is not None:
            if response.envelopes:
                yield [_incoming(envelope) for envelope in response.envelopes]

    async def acknowledge(self, acks: Sequence[Ack]) -> None:
        frame = messaging_service_pb2.Acks(
            acks=[
                messaging_service_pb2.Ack(
                    envelope_id=ack.envelope_id,
                    disposition=(
                        messaging_service_pb2.Ack.DISPOSITION_REFUSED
                        if ack.refusal_reason
                        else messaging_service_pb2.Ack.DISPOSITION_DELIVERED
                    ),
                    refusal_reason=ack.refusal_reason,
                )
                for ack in acks
            ]
        )
        await self._stream.write(messaging_service_pb2.AttachRequest(acks=frame))


def _incoming(envelope: message_pb2.Envelope) -> Incoming:
    return Incoming(
        envelope_id=envelope.envelope_id,
        message_id=envelope.message_id,
        business_id=envelope.business_id,
        contact_id=envelope.contact_id,
        sender_end_id=envelope.sender_end_id,
        olm_type=envelope.olm_type,
        ciphertext=envelope.ciphertext,
        accept_time=envelope.accept_time.ToDatetime(UTC),
    )
