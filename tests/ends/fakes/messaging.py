"""A messaging in memory: an envelope comes again on every stream until it is acked."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from hudhud.clearance.v1 import clearance_pb2
from hudhud.messaging.v1 import message_pb2
from hudhud.messaging.v1 import messaging_service_pb2 as pb
from hudhud.messaging.v1.messaging_service_pb2_grpc import MessagingServiceServicer
from services.kit.access import CallerKind, current_caller
from services.kit.clock import Clock
from services.kit.errors import Refusal
from services.kit.pairwise import PairwiseIds
from tests.ends.fakes.troubles import Troubles

PRICE_MICROS = 5000


class FakeMessagingServicer(MessagingServiceServicer):
    """Accepts everything; a test may refuse messages, hold acceptance up, or end streams."""

    def __init__(self, clock: Clock, pairwise: PairwiseIds) -> None:
        self.troubles = Troubles()
        self.accepted: dict[str, pb.AcceptItem] = {}
        self.batches: list[list[str]] = []  # The message_ids of each AcceptMessages.
        self.refused_messages: dict[str, Refusal] = {}
        self.may_accept = asyncio.Event()
        self.may_accept.set()
        self.confirms = True
        self.refused_submissions: Refusal | None = None
        self.submitted: list[pb.SubmitItem] = []
        self.acks: list[tuple[str, pb.Ack]] = []  # (message_id, ack), of both sides' ends
        self.reads: list[str] = []
        self.streams_opened = 0
        self._clock = clock
        self._pairwise = pairwise
        self._answers: dict[str, pb.Accepted] = {}
        self._mailboxes: defaultdict[str, dict[int, message_pb2.Envelope]] = defaultdict(dict)
        self._envelope_ids = itertools.count(1)
        self._changed = asyncio.Condition()
        self._streams = 0

    # --- What tests do ----------------------------------------------------------------------------

    async def put(self, end_id: str, envelope: message_pb2.Envelope) -> int:
        """Lays an envelope into a mailbox; its envelope_id."""
        number = next(self._envelope_ids)
        copy = message_pb2.Envelope()
        copy.CopyFrom(envelope)
        copy.envelope_id = number
        async with self._changed:
            self._mailboxes[end_id][number] = copy
            self._changed.notify_all()
        return number

    def waiting(self, end_id: str) -> list[message_pb2.Envelope]:
        """What is in a mailbox."""
        return list(self._mailboxes[end_id].values())

    async def until(self, condition: Any, seconds: float = 20.0) -> None:
        """Returns once a condition holds of what came here."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(condition)

    async def break_streams(self) -> None:
        """Every delivery stream ends now."""
        async with self._changed:
            self._streams += 1
            self._changed.notify_all()

    # --- The service ------------------------------------------------------------------------------

    async def AcceptMessages(self, request: Any, context: Any) -> Any:
        self.troubles.begin("AcceptMessages")
        clearances = [
            clearance_pb2.Clearance.FromString(item.clearance.clearance) for item in request.items
        ]
        self.batches.append([clearance.message_id for clearance in clearances])
        await self.may_accept.wait()
        response = pb.AcceptMessagesResponse()
        for item, clearance in zip(request.items, clearances, strict=True):
            refusal = self.refused_messages.get(clearance.message_id)
            if refusal is not None:
                response.outcomes.add(refusal=refusal.to_proto())
                continue
            if clearance.message_id not in self.accepted:
                await self._accept(item, clearance)
            response.outcomes.add(accepted=self._answers[clearance.message_id])
        self.troubles.end("AcceptMessages")
        return response

    async def _accept(self, item: pb.AcceptItem, clearance: clearance_pb2.Clearance) -> None:
        self.accepted[clearance.message_id] = item
        answer = pb.Accepted()
        answer.accept_time.FromDatetime(self._clock.now())
        answer.expire_time.FromDatetime(self._clock.now() + timedelta(days=3))
        answer.price.amount_micros, answer.price.currency_code = PRICE_MICROS, "USD"
        self._answers[clearance.message_id] = answer
        for sealed in item.envelopes:
            await self.put(sealed.end_id, _envelope(item, clearance, sealed, answer))

    async def SubmitMessages(self, request: Any, context: Any) -> Any:
        self.troubles.begin("SubmitMessages")
        caller = current_caller()
        assert caller.person_id is not None
        response = pb.SubmitMessagesResponse()
        for item in request.items:
            if self.refused_submissions is not None:
                response.outcomes.add(refusal=self.refused_submissions.to_proto())
                continue
            contact_id = self._pairwise.seal(
                UUID(item.business_id), caller.person_id, caller.country
            )
            fresh = all(one.message_id != item.message_id for one in self.submitted)
            self.submitted.append(item)
            for sealed in item.envelopes if fresh else ():
                envelope = message_pb2.Envelope(
                    message_id=item.message_id,
                    business_id=item.business_id,
                    contact_id=contact_id,
                    sender_end_id=str(caller.device_id),
                    olm_type=sealed.olm_type,
                    ciphertext=sealed.ciphertext,
                )
                envelope.accept_time.FromDatetime(self._clock.now())
                await self.put(sealed.end_id, envelope)
            response.outcomes.add().accept_time.FromDatetime(self._clock.now())
        self.troubles.end("SubmitMessages")
        return response

    async def Attach(self, requests: Any, context: Any) -> None:  # type: ignore[override]
        first = await anext(requests)
        caller = current_caller()
        is_device = caller.kind is CallerKind.DEVICE
        end_id = str(caller.device_id) if is_device else first.start.end_id
        self.streams_opened += 1
        deliver = asyncio.ensure_future(self._deliver(end_id, self._streams, context))
        record = asyncio.ensure_future(self._record(end_id, requests, context))
        try:
            await asyncio.wait((deliver, record), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (deliver, record):
                task.cancel()
            await asyncio.gather(deliver, record, return_exceptions=True)

    async def _deliver(self, end_id: str, stream: int, context: Any) -> None:
        sent: set[int] = set()
        mailbox = self._mailboxes[end_id]
        while True:
            async with self._changed:
                await self._changed.wait_for(
                    lambda: self._streams != stream or mailbox.keys() - sent
                )
            if self._streams != stream:
                return
            numbers = sorted(mailbox.keys() - sent)
            sent.update(numbers)
            await context.write(
                pb.AttachResponse(envelopes=[mailbox[number] for number in numbers])
            )

    async def _record(self, end_id: str, requests: Any, context: Any) -> None:
        async for frame in requests:
            mailbox = self._mailboxes[end_id]
            async with self._changed:
                for ack in frame.acks.acks:
                    envelope = mailbox.pop(ack.envelope_id, None)
                    if envelope is not None:
                        self.acks.append((envelope.message_id, ack))
                self.reads.extend(read.message_id for read in frame.acks.reads)
                self._changed.notify_all()
            if not self.confirms:
                continue
            await context.write(
                pb.AttachResponse(
                    confirmed_envelope_ids=[ack.envelope_id for ack in frame.acks.acks],
                    confirmed_read_message_ids=[read.message_id for read in frame.acks.reads],
                )
            )


def _envelope(
    item: pb.AcceptItem,
    clearance: clearance_pb2.Clearance,
    sealed: message_pb2.SealedEnvelope,
    accepted: pb.Accepted,
) -> message_pb2.Envelope:
    """What a device gets of a message."""
    return message_pb2.Envelope(
        message_id=clearance.message_id,
        business_id=clearance.business_id,
        contact_id=clearance.contact_id,
        sender_end_id=item.sender_end_id,
        olm_type=sealed.olm_type,
        ciphertext=sealed.ciphertext,
        clearance=item.clearance,
        accept_time=accepted.accept_time,
    )
