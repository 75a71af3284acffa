"""What arrives: opened, checked against policy's clearance, stored, and only then acked."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from google.protobuf.message import DecodeError

from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.messaging.v1 import message_pb2, messaging_service_pb2
from services.ends.device.key_ring import KeyRing
from services.ends.device.platform import Connections, may_pass
from services.ends.device.profiles import Profiles
from services.ends.device.store import Message
from services.ends.sealing.clearances import ClearanceMismatch, check
from services.ends.sealing.envelopes import EnvelopeMalformed, unpack
from services.ends.sealing.sessions import SessionError
from services.kit.errors import Refusal
from services.kit.signing import VerifyingKey

logger = logging.getLogger(__name__)

Ack = messaging_service_pb2.Ack


class Refused(Exception):
    """An envelope that this device does not take; `args[0]` is the reason for messaging."""


@dataclass(frozen=True, slots=True)
class Sender:
    """What identity and policy say of an envelope's sender and clearance."""

    contact_id: str  # By which the business knows this person.
    edge_key: bytes | None  # None: the business has no such edge.
    clearance_key: VerifyingKey | None  # None: policy has no such key.


class Inbox:
    """Opens batches of envelopes: first it asks what it has to know, then it opens."""

    def __init__(self, connections: Connections, profiles: Profiles) -> None:
        self._connections = connections
        self._profiles = profiles

    async def ask(self, envelopes: Sequence[message_pb2.Envelope]) -> dict[int, Sender]:
        """The sender of each envelope, by envelope_id.

        Raises Refusal when identity or policy do not answer; then nothing may be acked.
        """
        return {envelope.envelope_id: await self._sender(envelope) for envelope in envelopes}

    def open(
        self,
        envelopes: Sequence[message_pb2.Envelope],
        senders: Mapping[int, Sender],
        keys: KeyRing,
    ) -> tuple[list[Message], list[Any]]:
        """The new messages among the envelopes, stored, and an ack for every envelope.

        A repetition is acked and not stored again.
        """
        known = keys.store.known_messages(
            (envelope.business_id, envelope.message_id) for envelope in envelopes
        )
        messages: list[Message] = []
        acks = []
        for envelope in envelopes:
            ack = Ack(envelope_id=envelope.envelope_id, disposition=Ack.DISPOSITION_DELIVERED)
            acks.append(ack)
            identifier = (envelope.business_id, envelope.message_id)
            if identifier in known:
                continue
            try:
                messages.append(_open(envelope, senders[envelope.envelope_id], keys))
                known.add(identifier)
            except Refused as refused:
                logger.warning("message %s refused: %s", envelope.message_id, refused)
                ack.disposition = Ack.DISPOSITION_REFUSED
                ack.refusal_reason = str(refused)
        sessions, account = keys.changes()
        keys.store.save(sessions=sessions, messages=messages, account=account)
        keys.stored()
        return messages, acks

    async def _sender(self, envelope: message_pb2.Envelope) -> Sender:
        clearance_key = await self._connections.clearance_keys.get(envelope.clearance.key_id)
        try:
            profile = await self._profiles.get(envelope.business_id)
            edge = await self._profiles.edge(envelope.business_id, envelope.sender_end_id)
        except Refusal as refusal:
            if may_pass(refusal):
                raise
            return Sender("", None, clearance_key)  # Identity knows no such business.
        edge_key = edge.curve25519_key if edge else None
        return Sender(profile.contact_id, edge_key, clearance_key)


def _open(envelope: message_pb2.Envelope, sender: Sender, keys: KeyRing) -> Message:
    if sender.edge_key is None:
        raise Refused("UNKNOWN_SENDER")
    try:
        plaintext = keys.open(
            envelope.business_id,
            envelope.sender_end_id,
            sender.edge_key,
            envelope.olm_type,
            envelope.ciphertext,
        )
        opened = unpack(plaintext)
        check(
            envelope.clearance,
            opened,
            business_id=envelope.business_id,
            contact_id=sender.contact_id,
            find_key=lambda _: sender.clearance_key,
        )
        if opened.message_id != envelope.message_id:
            raise Refused("WRONG_MESSAGE")
        content_pb2.Content.FromString(opened.content)
    except SessionError as error:
        raise Refused("UNDECRYPTABLE") from error
    except (EnvelopeMalformed, DecodeError) as error:
        raise Refused("MALFORMED") from error
    except ClearanceMismatch as error:
        raise Refused(error.reason) from error
    return Message(
        business_id=envelope.business_id,
        message_id=envelope.message_id,
        incoming=True,
        content=opened.content,
        time=envelope.accept_time.ToDatetime(UTC),
        franking_key=opened.franking_key,
        clearance=envelope.clearance.SerializeToString(),
    )


def category_of(message: Message) -> clearance_pb2.Category:
    """What policy cleared a message as."""
    signed = clearance_pb2.SignedClearance.FromString(message.clearance)
    return clearance_pb2.Clearance.FromString(signed.clearance).category
