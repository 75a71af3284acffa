"""Owns what people say about messages: who may say how much, and under which name it is kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final
from uuid import UUID

# One person's or one business's flood must not fill the reviewers' desk, nor move what is learned.
PERIOD: Final = timedelta(days=1)
REPORTS_OF_A_PERSON_MAX: Final = 20
REPORTS_ABOUT_A_BUSINESS_MAX: Final = 50
APPEALS_OF_A_BUSINESS_MAX: Final = 50
KEPT: Final = timedelta(days=365)


class Kind(IntEnum):
    """What kind of saying it is; numbered as in hudhud.policy.v1.LabelEntry."""

    REPORT = 1
    APPEAL = 2
    REVIEW = 3
    WITHDRAWAL = 4


class Label(IntEnum):
    """What a message is; numbered as in hudhud.policy.v1.Label."""

    PROMOTIONAL = 1
    SCAM = 2
    TRANSACTIONAL = 3
    PERSONAL = 4

    @property
    def unwanted(self) -> bool:
        """Whether such a message is rightly stopped."""
        return self in (Label.PROMOTIONAL, Label.SCAM)


class State(IntEnum):
    """Where an entry stands."""

    WAITING = 1
    STANDING = 2
    WITHDRAWN = 3


@dataclass(frozen=True, slots=True)
class LabelEntry:
    """Something that was said about a message."""

    entry_id: UUID
    kind: Kind
    create_time: datetime
    said_by: str
    state: State
    business_id: UUID | None = None
    message_id: UUID | None = None
    text: str = field(default="", repr=False)
    wording: bytes = field(default=b"", repr=False)
    label: Label | None = None
    model_version: str = ""
    blocked: bool = False
    of_entry_id: UUID | None = None
    reason: str = field(default="", repr=False)


class AppealState(IntEnum):
    """Where an appeal stands; numbered as in hudhud.policy.v1.Appeal."""

    WAITING = 1
    GRANTED = 2
    DENIED = 3
    WITHDRAWN = 4


@dataclass(frozen=True, slots=True)
class Appeal:
    """An appeal, and what a reviewer said to it."""

    entry: LabelEntry
    review: LabelEntry | None

    @property
    def state(self) -> AppealState:
        """Where it stands."""
        if self.entry.state is State.WITHDRAWN:
            return AppealState.WITHDRAWN
        if self.review is None or self.review.label is None:
            return AppealState.WAITING
        return AppealState.DENIED if self.review.label.unwanted else AppealState.GRANTED


def name_of_person(sealed_id: str) -> str:
    """The name under which a person's reports are kept, from an id that only policy can make."""
    return f"p-{hashlib.sha256(sealed_id.encode()).hexdigest()[:24]}"


def name_of_business(business_id: UUID) -> str:
    """The name under which a business's appeals are kept."""
    return f"b-{business_id}"
