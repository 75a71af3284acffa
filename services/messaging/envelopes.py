"""Owns the forms in which messages cross the wire: envelopes, timestamps, events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from hudhud.billing.v1 import account_pb2
from hudhud.clearance.v1 import clearance_pb2
from hudhud.messaging.v1 import message_pb2
from services.kit import traces
from services.kit.outbox import Event
from services.messaging.domain import Change, Message, MessageKey, Price, SealedCopy
from services.messaging.store.ids import id_of_bytes, parse_id


def timestamp(time: datetime) -> Timestamp:
    """An aware time as protobuf has it, exact to the microsecond."""
    return Timestamp(seconds=int(time.timestamp()), nanos=time.microsecond * 1000)


def money(price: Price) -> account_pb2.Money:
    """A price as billing has it."""
    return account_pb2.Money(currency_code=price.currency_code, amount_micros=price.amount_micros)


def sealed_copies(
    key: MessageKey,
    contact_id: str,
    sender_end_id: str,
    accept_time: datetime,
    envelopes: Iterable[message_pb2.SealedEnvelope],
    clearance: clearance_pb2.SignedClearance | None = None,
) -> list[SealedCopy]:
    """The copies of a message, each as its end will get it but for the envelope_id."""
    # Serialized messages that follow one another are one message (protobuf's encoding, "Last One
    # Wins"): what all copies share is serialized once.
    shared = message_pb2.Envelope(
        message_id=str(key.message_id),
        business_id=str(key.business_id),
        contact_id=contact_id,
        sender_end_id=sender_end_id,
        clearance=clearance,
        accept_time=timestamp(accept_time),
    ).SerializeToString()
    return [
        SealedCopy(
            parse_id(sealed.end_id),
            shared
            + message_pb2.Envelope(
                olm_type=sealed.olm_type, ciphertext=sealed.ciphertext
            ).SerializeToString(),
        )
        for sealed in envelopes
    ]


def message_proto(message: Message) -> message_pb2.Message:
    """A message as others see it."""
    return message_pb2.Message(
        message_id=str(message.key.message_id),
        business_id=str(message.key.business_id),
        contact_id=message.contact_id,
        kind=message.kind,
        category=message.category,
        state=message.state,
        price=money(message.price),
        accept_time=timestamp(message.accept_time),
        update_time=timestamp(message.update_time),
        expire_time=timestamp(message.expire_time),
    )


def change_event(change: Change) -> Event:
    """What the others learn of a message that came to another state."""
    key = change.message.key
    # The same for the same change, so that the outbox can hold it once only.
    text = f"{key.person_id}/{key.business_id}/{key.message_id}/{change.message.state.name}"
    event_id = id_of_bytes(hashlib.sha256(text.encode()).digest()[:16])
    changed = message_pb2.MessageChanged(
        message=message_proto(change.message),
        device_id=str(change.device_id) if change.device_id else "",
        refusal_reason=change.refusal_reason,
    )
    return Event(
        event_id,
        f"hudhud.messaging.message.{change.message.state.name.lower()}",
        changed.SerializeToString(),
        traces.headers(key[1:], change.message.state.name.lower()),
    )
