"""Owns the translation of messaging's events into what becomes of reservations."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from hudhud.messaging.v1 import message_pb2
from services.billing.domain.reservations import MessageKey
from services.billing.settlement import settle_reservations
from services.kit import traces
from services.kit.database import Database
from services.kit.outbox import Event

STREAM: Final = "messaging"
SUBJECTS: Final = tuple(
    f"hudhud.messaging.message.{change}" for change in ("delivered", "read", "refused", "expired")
)

_CAPTURING: Final = (message_pb2.MESSAGE_STATE_DELIVERED, message_pb2.MESSAGE_STATE_READ)
_RELEASING: Final = (message_pb2.MESSAGE_STATE_REFUSED, message_pb2.MESSAGE_STATE_EXPIRED)


class MessageEvents:
    """Takes batches of `hudhud.messaging.v1.MessageChanged`, as often and in whatever order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def handle(self, events: list[Event]) -> None:
        """Settle the messages of all events, or raise and settle none."""
        captured: set[MessageKey] = set()
        released: set[MessageKey] = set()
        for event in events:
            message = message_pb2.MessageChanged.FromString(event.payload).message
            key = MessageKey(UUID(message.business_id), UUID(message.message_id))
            if message.state in _CAPTURING:
                captured.add(key)
            elif message.state in _RELEASING:
                released.add(key)
            else:
                raise ValueError(f"no reservation follows a message into state {message.state}")
        with (
            traces.step("capture", captured, parent="delivered"),
            traces.step("release", released, parent="send"),
        ):
            await settle_reservations(self._database, captured, released)
