"""Owns what a message is to policy: how it starts, what it is for, and what in it can be read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple
from uuid import UUID


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


# What a direct message may declare, and a template may be for.
DECLARABLE = (Category.UTILITY, Category.AUTHENTICATION, Category.MARKETING)


class MessageKey(NamedTuple):
    """A message's id is unique within its business."""

    business_id: UUID
    message_id: UUID


class Pair(NamedTuple):
    """A person and a business: what one decided about the other is kept under it."""

    person_id: UUID
    business_id: UUID


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """A template as a message fills it in."""

    template_id: UUID
    name: str
    language_code: str
    parameters: Mapping[str, str]
    rendered: str
    buttons: tuple[bytes, ...]  # serialized hudhud.content.v1.Button, compared as they are


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be screened, which makes sense so far as can be told without looking anything
    up: its fields keep their rules, its content is what it commits to, its contact is a person.
    """

    key: MessageKey
    contact_id: str
    person_id: UUID
    kind: Kind
    category: Category  # as declared; unspecified where the kind decides
    commitment: bytes
    digest: bytes  # see body_digest
    text: str = field(repr=False)  # all that a person would read
    template: TemplateUse | None = field(default=None, repr=False)

    @property
    def pair(self) -> Pair:
        """The person and the business."""
        return Pair(self.person_id, self.key.business_id)


def body_digest(contact_id: str, kind: Kind, category: Category, commitment: bytes) -> bytes:
    """32 bytes that two messages share only if they say the same, in the same way, to the same
    person. The commitment stands for the content.
    """
    told = f"{contact_id} {kind:d} {category:d} ".encode()
    return hashlib.sha256(told + commitment).digest()


class Preference(NamedTuple):
    """What a person decided about a business."""

    marketing_consent: bool = False
    blocked: bool = False


class Decision(StrEnum):
    """What a person can decide about a business."""

    GRANT_CONSENT = "grant_consent"
    WITHDRAW_CONSENT = "withdraw_consent"
    BLOCK_BUSINESS = "block_business"
    UNBLOCK_BUSINESS = "unblock_business"

    def applied_to(self, preference: Preference) -> Preference:
        """The preference after this decision; the same where it changes nothing."""
        match self:
            case Decision.GRANT_CONSENT:
                return preference._replace(marketing_consent=True)
            case Decision.WITHDRAW_CONSENT:
                return preference._replace(marketing_consent=False)
            case Decision.BLOCK_BUSINESS:
                return preference._replace(blocked=True)
            case Decision.UNBLOCK_BUSINESS:
                return preference._replace(blocked=False)


@dataclass(frozen=True, slots=True)
class Decided:
    """A preference as it is listed."""

    business_id: UUID
    preference: Preference
    update_time: datetime


class Fate(IntEnum):
    """What became of a message that was allowed; later ones never give way to earlier ones. The
    numbers are those of hudhud.messaging.v1.MessageState.
    """

    UNKNOWN = 0
    DELIVERED = 2
    READ = 3
    REFUSED = 4
    EXPIRED = 5
