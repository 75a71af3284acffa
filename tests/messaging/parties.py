"""Who takes part in the tests of messaging: businesses, people, their devices and edges."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hudhud.clearance.v1 import clearance_pb2
from hudhud.messaging.v1 import message_pb2
from hudhud.messaging.v1 import messaging_service_pb2 as pb
from services.kit.clock import new_id
from services.messaging.envelopes import timestamp
from tests.messaging.house import House, Replica

UTILITY = clearance_pb2.CATEGORY_UTILITY
SERVICE = clearance_pb2.CATEGORY_SERVICE
TEMPLATE = clearance_pb2.KIND_TEMPLATE
REPLY = clearance_pb2.KIND_REPLY

DELIVERED = pb.Ack.DISPOSITION_DELIVERED
REFUSED = pb.Ack.DISPOSITION_REFUSED


@dataclass(frozen=True)
class Person:
    """A person with devices."""

    person_id: UUID = field(default_factory=uuid4)
    device_ids: tuple[UUID, ...] = field(default_factory=lambda: (uuid4(),))
    country: str = "SY"


@dataclass(frozen=True)
class Business:
    """A business with an edge."""

    house: House
    business_id: UUID = field(default_factory=uuid4)
    edge_id: UUID = field(default_factory=uuid4)

    def contact_id(self, person: Person) -> str:
        """The id by which this business knows the person."""
        return self.house.pairwise.seal(self.business_id, person.person_id, person.country)

    def clearance(self, person: Person, **said: Any) -> clearance_pb2.SignedClearance:
        """Policy's permission for a message; `said` changes what it says."""
        now = self.house.clock.now()
        message_id = said.pop("message_id", None) or new_id()
        clearance = clearance_pb2.Clearance(
            message_id=str(message_id),
            business_id=str(self.business_id),
            contact_id=self.contact_id(person),
            kind=said.pop("kind", TEMPLATE),
            category=said.pop("category", UTILITY),
            commitment=hashlib.sha256(str(message_id).encode()).digest(),
            screening=clearance_pb2.SCREENING_PLATFORM,
            issue_time=timestamp(now),
            expire_time=timestamp(now + timedelta(minutes=10)),
        )
        for name, value in said.items():
            if hasattr(value, "DESCRIPTOR"):
                getattr(clearance, name).CopyFrom(value)
            else:
                setattr(clearance, name, value)
        return self.sign(clearance.SerializeToString())

    def sign(self, clearance: bytes) -> clearance_pb2.SignedClearance:
        """Whatever `clearance` is, as policy would have signed it."""
        key = self.house.policy_key
        return clearance_pb2.SignedClearance(
            clearance=clearance,
            key_id=key.key_id,
            signature=key.sign("hudhud.clearance.v1", clearance),
        )

    def item(
        self,
        person: Person,
        *,
        end_ids: Sequence[UUID] | None = None,
        time_to_live: timedelta | None = None,
        ciphertext: bytes = b"sealed",
        **said: Any,
    ) -> pb.AcceptItem:
        """A message for all of the person's devices."""
        item = pb.AcceptItem(
            clearance=self.clearance(person, **said),
            sender_end_id=str(self.edge_id),
            envelopes=[
                sealed(end_id, ciphertext)
                for end_id in (person.device_ids if end_ids is None else end_ids)
            ],
        )
        if time_to_live is not None:
            item.time_to_live.FromTimedelta(time_to_live)
        return item


def sealed(end_id: UUID, ciphertext: bytes = b"sealed") -> message_pb2.SealedEnvelope:
    """An envelope for this end."""
    return message_pb2.SealedEnvelope(end_id=str(end_id), olm_type=1, ciphertext=ciphertext)


def message_id_of(item: pb.AcceptItem) -> UUID:
    """The message that an item is about."""
    return UUID(clearance_pb2.Clearance.FromString(item.clearance.clearance).message_id)


async def accept(replica: Replica, *items: pb.AcceptItem) -> list[pb.AcceptOutcome]:
    """Have messages accepted, as the edge does."""
    edge = await replica.service()
    response = await edge.AcceptMessages(pb.AcceptMessagesRequest(items=items))
    return list(response.outcomes)


async def accept_one(replica: Replica, item: pb.AcceptItem) -> pb.Accepted:
    """Have one message accepted; a refusal fails the test."""
    [outcome] = await accept(replica, item)
    assert outcome.WhichOneof("outcome") == "accepted", outcome
    return outcome.accepted


async def submit(
    replica: Replica,
    person: Person,
    business: Business,
    *,
    message_id: UUID | None = None,
    came_by_link: bool = False,
) -> pb.SubmitOutcome:
    """Have a person write to a business, from the first device."""
    device = await replica.device(person.person_id, person.device_ids[0], country=person.country)
    item = pb.SubmitItem(
        message_id=str(message_id or new_id()),
        business_id=str(business.business_id),
        envelopes=[sealed(business.edge_id, b"sealed by a person")],
        came_by_link=came_by_link,
    )
    response: pb.SubmitMessagesResponse = await device.SubmitMessages(
        pb.SubmitMessagesRequest(items=[item])
    )
    [outcome] = response.outcomes
    return outcome


async def submit_one(replica: Replica, person: Person, business: Business, **said: Any) -> datetime:
    """Have a person write to a business, as `submit`; a refusal fails the test."""
    outcome = await submit(replica, person, business, **said)
    assert outcome.WhichOneof("outcome") == "accept_time", outcome
    return outcome.accept_time.ToDatetime(UTC)


class Attached:
    """An end with an open delivery stream. What comes is kept in lists; nothing is acked."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.envelopes: list[message_pb2.Envelope] = []
        self.confirmed: list[int] = []
        self.confirmed_reads: list[str] = []
        self.frame_sizes: list[int] = []
        self.ended: BaseException | None = None
        self.closed = False
        self._changed = asyncio.Condition()
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        try:
            while (frame := await self.stream.read()) is not None:
                async with self._changed:
                    self.frame_sizes.append(frame.ByteSize())
                    self.envelopes += frame.envelopes
                    self.confirmed += frame.confirmed_envelope_ids
                    self.confirmed_reads += frame.confirmed_read_message_ids
                    self._changed.notify_all()
        except Exception as error:  # noqa: BLE001 - whatever it is, a test looks at it
            self.ended = error
        finally:
            self.closed = True
            async with self._changed:
                self._changed.notify_all()

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Return when the condition holds of what came; TimeoutError after some time."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(condition)

    async def receive(self, count: int) -> list[message_pb2.Envelope]:
        """The envelopes, once there are `count` of them."""
        await self.until(lambda: len(self.envelopes) >= count)
        return self.envelopes

    async def until_closed(self) -> BaseException | None:
        """Why the stream ended; None: well."""
        await self.until(lambda: self.closed)
        return self.ended

    async def ack(
        self,
        *envelope_ids: int,
        disposition: pb.Ack.Disposition = DELIVERED,
        refusal_reason: str = "",
        reads: Sequence[tuple[UUID, UUID]] = (),
        confirmed: bool = True,
    ) -> None:
        """Send one frame of acks and wait until it is confirmed."""
        acks = [
            pb.Ack(envelope_id=envelope_id, disposition=disposition, refusal_reason=refusal_reason)
            for envelope_id in envelope_ids
        ]
        receipts = [
            pb.ReadReceipt(business_id=str(business_id), message_id=str(message_id))
            for business_id, message_id in reads
        ]
        await self.stream.write(pb.AttachRequest(acks=pb.Acks(acks=acks, reads=receipts)))
        if confirmed:
            expected = {str(message_id) for _, message_id in reads}
            await self.until(
                lambda: (
                    set(envelope_ids) <= set(self.confirmed)
                    and expected <= set(self.confirmed_reads)
                )
            )

    async def ack_all(self, **how: Any) -> None:
        """Ack what came and was not confirmed yet."""
        seen = {envelope.envelope_id for envelope in self.envelopes}
        await self.ack(*sorted(seen - set(self.confirmed)), **how)

    async def close(self) -> None:
        """Drop the connection."""
        self.stream.cancel()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


@asynccontextmanager
async def attached(
    stub: Any, end_id: UUID | None = None, in_flight_max: int = 0
) -> AsyncIterator[Attached]:
    """An open delivery stream of whoever the stub calls as."""
    stream = stub.Attach()
    start = pb.AttachStart(end_id=str(end_id or ""), in_flight_max=in_flight_max)
    await stream.write(pb.AttachRequest(start=start))
    end = Attached(stream)
    try:
        yield end
    finally:
        await end.close()


async def state_of(
    replica: Replica, business: Business, message_id: UUID
) -> message_pb2.MessageState:
    """Where a message stands, as its business sees it."""
    edge = await replica.service()
    response: pb.GetMessageResponse = await edge.GetMessage(
        pb.GetMessageRequest(business_id=str(business.business_id), message_id=str(message_id))
    )
    return response.message.state
