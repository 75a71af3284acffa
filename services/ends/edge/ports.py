"""What the edge asks of the other services, in its own words; `clients` puts it into theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from hudhud.identity.v1 import device_pb2
from hudhud.policy.v1 import appeal_pb2
from services.ends.edge.domain import (
    Ack,
    BlockedBy,
    Clearance,
    Dispatch,
    EndKeys,
    Incoming,
    Prepared,
    Promise,
    Wording,
)
from services.kit.errors import Refusal


class Identity(Protocol):
    """Who people are to a business, and with which keys they are reached."""

    async def resolve_contacts(
        self, business_id: str, phone_numbers: Sequence[str]
    ) -> list[str | Refusal]:
        """The contact_id of each number, or why there is none. Raises Refusal."""

    async def list_devices(
        self, business_id: str, contact_ids: Sequence[str]
    ) -> dict[str, list[EndKeys]]:
        """The devices of each contact. Raises Refusal."""

    async def claim_key_bundles(
        self, business_id: str, end_ids: Sequence[str]
    ) -> dict[str, device_pb2.KeyBundle]:
        """A key bundle for each end that has one. Raises Refusal."""

    async def publish_keys(self, business_id: str, keys: device_pb2.PublishedKeys) -> int:
        """Publishes a business's keys; returns how many one-time keys are left. Raises Refusal."""


class Policy(Protocol):
    """What may be said to whom."""

    async def find_wording(self, business_id: str, name: str, language_code: str) -> Wording:
        """The approved wording of a template. Raises Refusal."""

    async def screen(self, messages: Sequence[Prepared]) -> list[Clearance | BlockedBy | Refusal]:
        """What policy says of each message. Raises Refusal when it could not be asked."""


class Appeals(Protocol):
    """What a business says against a verdict of policy."""

    async def appeal(self, message: Prepared, statement: str) -> appeal_pb2.Appeal:
        """Asks for a reviewer's eye on a message that was blocked. Raises Refusal."""

    async def get_appeal(self, business_id: str, message_id: str) -> appeal_pb2.Appeal:
        """What became of an appeal. Raises Refusal."""


class Messaging(Protocol):
    """The road."""

    async def accept(self, dispatches: Sequence[Dispatch]) -> list[Promise | Refusal]:
        """A promise for each message, or why there is none. Raises Refusal when in doubt."""

    def attach(self) -> MailboxStream:
        """The delivery stream of this edge's mailbox."""


class MailboxStream(Protocol):
    """Envelopes out, acks in, until the stream breaks. Use as `async with`."""

    async def __aenter__(self) -> MailboxStream:
        """Attaches."""

    async def __aexit__(self, *error: object) -> None:
        """Ends the stream."""

    def __aiter__(self) -> AsyncIterator[list[Incoming]]:
        """Envelopes as they come, each again on the next stream until it is acked."""

    async def acknowledge(self, acks: Sequence[Ack]) -> None:
        """These envelopes are opened and stored, or cannot be."""
