"""Owns the rules of the road: what may be accepted, when a window is open, how a state advances.

Pure: no clock, no SQL, no gRPC. Times are aware and in UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

WINDOW = timedelta(hours=24)

# A business that takes longer to answer a person who came by its link, opens no entry point.
ENTRY_POINT_ANSWERED_WITHIN = timedelta(hours=24)

TIME_TO_LIVE_DEFAULT = timedelta(days=3)

# What a person wrote is kept this long for an edge that does not fetch it.
SUBMISSION_TIME_TO_LIVE = timedelta(days=30)

# An envelope is handed out until its message's expire_time. What a device did with it counts for
# this much longer, so that an ack on its way is not lost; then the message is given up.
ACK_GRACE = timedelta(minutes=2)

# A reservation outlives its message by this, so that even with events held up for hours the
# outcome reaches billing before the reservation ends by itself.
RESERVATION_MARGIN = timedelta(days=1)


class Kind(IntEnum):
    """How a message starts; the numbers of hudhud.clearance.v1.Kind."""

    TEMPLATE = 1
    DIRECT = 2
    REPLY = 3


class State(IntEnum):
    """Where a message stands; the numbers of hudhud.messaging.v1.MessageState."""

    ACCEPTED = 1
    DELIVERED = 2
    READ = 3
    REFUSED = 4
    EXPIRED = 5


class Disposition(IntEnum):
    """What an end did with an envelope; the numbers of hudhud.messaging.v1.Ack.Disposition."""

    NONE = 0  # nothing: its time was over
    DELIVERED = 1
    REFUSED = 2


class Price(NamedTuple):
    """What is reserved for a message."""

    currency_code: str
    amount_micros: int


class MessageKey(NamedTuple):
    """What a message from a business to a person is known by."""

    person_id: UUID
    business_id: UUID
    message_id: UUID


class Message(NamedTuple):
    """A message from a business to a person, as it was promised and as it stands."""

    key: MessageKey
    body_sha256: bytes
    contact_id: str
    kind: int
    category: int
    state: State
    copies_left: int
    price: Price
    accept_time: datetime
    update_time: datetime
    expire_time: datetime


class Window(NamedTuple):
    """What a person's writing to a business has opened; see the table."""

    last_person_message_time: datetime
    entry_point_time: datetime | None = None
    entry_point_answer_time: datetime | None = None

    @property
    def close_time(self) -> datetime:
        """When the service window closes."""
        return self.last_person_message_time + WINDOW

    def is_open(self, now: datetime) -> bool:
        """Whether a reply is still inside the service window."""
        return now < self.close_time

    def awaits_answer(self, now: datetime) -> bool:
        """Whether the business's next message answers a person who came by its link."""
        came, answered = self.entry_point_time, self.entry_point_answer_time
        if came is None or now > came + ENTRY_POINT_ANSWERED_WITHIN:
            return False
        return answered is None or answered < came


class SealedCopy(NamedTuple):
    """One sealed copy of a message: for which end, and the envelope as that end will get it."""

    end_id: UUID
    envelope: bytes


class Receipt(NamedTuple):
    """How a copy of a message left its mailbox."""

    device_id: UUID
    disposition: Disposition
    refusal_reason: str = ""


class Change(NamedTuple):
    """A message that came to another state."""

    message: Message  # as it stands after the change
    device_id: UUID | None
    refusal_reason: str


def body_digest(
    contact_id: str, kind: int, category: int, template_id: str, commitment: bytes
) -> bytes:
    """SHA-256 over what makes a message the same message; the business and id are its key."""
    text = f"{contact_id}\0{kind}\0{category}\0{template_id}\0".encode()
    return hashlib.sha256(text + commitment).digest()


def given_up(message: Message, now: datetime) -> bool:
    """Whether the time is over in which a device could say that it has the message."""
    return now >= message.expire_time + ACK_GRACE


def advance(
    message: Message,
    receipts: Sequence[Receipt],
    readers: Iterable[UUID],
    now: datetime,
) -> tuple[Message, list[Change]]:
    """What becomes of a message when some of its copies are done with and some devices show it.

    `receipts` has one entry for each copy that just left its mailbox; `readers` are devices whose
    person has seen the message. Returns the message as it stands then and every state it came
    to on the way. The first device that has it decides: it is delivered, once. It is refused when
    the last copy is refused before any device had it. A person who has seen a message has it, so
    that a READ that overtook its DELIVERED brings both. Nothing counts after the message was
    given up, and no state is ever left for an earlier one.
    """
    message = message._replace(copies_left=message.copies_left - len(receipts))
    changes: list[Change] = []

    def come_to(state: State, device_id: UUID | None, refusal_reason: str = "") -> None:
        nonlocal message
        message = message._replace(state=state, update_time=now)
        changes.append(Change(message, device_id, refusal_reason))

    if message.state is State.ACCEPTED and given_up(message, now):
        come_to(State.EXPIRED, None)
    for receipt in receipts:
        if message.state is State.ACCEPTED and receipt.disposition is Disposition.DELIVERED:
            come_to(State.DELIVERED, receipt.device_id)
    for device_id in readers:
        if message.state is State.ACCEPTED:
            come_to(State.DELIVERED, device_id)
        if message.state is State.DELIVERED:
            come_to(State.READ, device_id)
    if message.state is State.ACCEPTED and receipts and message.copies_left == 0:
        come_to(State.REFUSED, receipts[-1].device_id, receipts[-1].refusal_reason)
    return message, changes
