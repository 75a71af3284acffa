"""The edge's own words: what is sent, what becomes of it, and what happens for a business."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import TypeAlias


class Kind(IntEnum):
    """How a message starts; numbered as in hudhud.clearance.v1."""

    TEMPLATE = 1
    DIRECT = 2
    REPLY = 3


class Category(IntEnum):
    """What a message is for; numbered as in hudhud.clearance.v1."""

    UNSPECIFIED = 0
    UTILITY = 1
    AUTHENTICATION = 2
    MARKETING = 3
    SERVICE = 4


@dataclass(frozen=True, slots=True)
class TemplateCall:
    """A template named by a business's program, with the parameters to fill in."""

    name: str
    language_code: str
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as a business's program hands it in.

    Exactly one of `phone_number` and `contact_id` is set. `content` is the serialized content of
    what is not a template; a template's is made from `template` once its wording is known.
    """

    message_id: str
    business_id: str
    phone_number: str
    contact_id: str
    kind: Kind
    category: Category
    content: bytes
    template: TemplateCall | None
    reply_to_message_id: str
    time_to_live: timedelta | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a wording: text as it stands, or the name of a parameter."""

    literal: str
    parameter: str


@dataclass(frozen=True, slots=True)
class Wording:
    """The approved wording of a template."""

    template_id: str
    segments: tuple[Segment, ...]
    parameters: frozenset[str]
    buttons: tuple[bytes, ...]  # Serialized hudhud.content.v1.Button, passed on as they are.

    def render(self, parameters: dict[str, str]) -> str:
        """The text as the person reads it; `parameters` are exactly those of the wording."""
        return "".join(
            parameters[segment.parameter] if segment.parameter else segment.literal
            for segment in self.segments
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message that is ready to be screened: everything is resolved, rendered and committed to."""

    message_id: str
    business_id: str
    contact_id: str
    kind: Kind
    category: Category
    content: bytes
    franking_key: bytes
    commitment: bytes
    time_to_live: timedelta | None


@dataclass(frozen=True, slots=True)
class Clearance:
    """Policy's permission: what came back from screening, passed on unopened."""

    signed: bytes  # Serialized hudhud.clearance.v1.SignedClearance.
    category: Category


@dataclass(frozen=True, slots=True)
class BlockedBy:
    """What policy found against a message: serialized hudhud.policy.v1.Evidence, as it came."""

    evidence: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """One ciphertext for one device."""

    end_id: str
    olm_type: int
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A cleared and sealed message on its way to messaging."""

    clearance: Clearance
    envelopes: tuple[Sealed, ...]
    time_to_live: timedelta | None


@dataclass(frozen=True, slots=True)
class Price:
    """What is held for a message."""

    amount_micros: int
    currency_code: str


@dataclass(frozen=True, slots=True)
class Promise:
    """Messaging's word that a message will be delivered, refused or expire."""

    accept_time: datetime
    expire_time: datetime
    price: Price


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was accepted."""

    message_id: str
    contact_id: str
    category: Category
    promise: Promise


@dataclass(frozen=True, slots=True)
class Stopped:
    """A message that policy blocked."""

    message_id: str
    contact_id: str
    blocked: BlockedBy


Outcome: TypeAlias = Sent | Stopped


@dataclass(frozen=True, slots=True)
class EndKeys:
    """The long-term keys of one of a person's devices."""

    end_id: str
    curve25519_key: bytes
    ed25519_key: bytes


@dataclass(frozen=True, slots=True)
class Incoming:
    """An envelope from a person's device, as messaging hands it over."""

    envelope_id: int
    message_id: str
    business_id: str
    contact_id: str
    sender_end_id: str
    olm_type: int
    ciphertext: bytes
    accept_time: datetime


@dataclass(frozen=True, slots=True)
class Ack:
    """What became of an envelope: it is stored or, with a reason in capitals, cannot be opened."""

    envelope_id: int
    refusal_reason: str = ""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that happened for a business and has no place in its sequence yet.

    `event_key` is unique within the business: the same event twice is one event.
    """

    business_id: str
    event_key: str
    payload: bytes = field(repr=False)  # Serialized hudhud.edge.v1.Event without its cursor.


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its place in the business's sequence."""

    cursor: int
    create_time: datetime
    payload: bytes = field(repr=False)


def place(
    events: list[NewEvent], last_cursors: dict[str, int], known: set[tuple[str, str]]
) -> list[tuple[NewEvent, int]]:
    """Gives each event that is not known yet its business's next cursor: 1, 2, 3, no gaps."""
    placed: list[tuple[NewEvent, int]] = []
    cursors = dict(last_cursors)
    seen = set(known)
    for event in events:
        key = (event.business_id, event.event_key)
        if key in seen:
            continue
        seen.add(key)
        cursors[event.business_id] = cursors.get(event.business_id, 0) + 1
        placed.append((event, cursors[event.business_id]))
    return placed
