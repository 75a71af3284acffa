"""Owns GetMessage."""

from __future__ import annotations

from uuid import UUID

from services.kit.database import Database
from services.kit.errors import Refusal
from services.messaging.domain import Message
from services.messaging.errors import MessagingReasons
from services.messaging.store import messages


class GetMessage:
    """Reads a message by its id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, business_id: UUID, message_id: UUID) -> Message:
        """The business's message. Raises the refusal MESSAGE_NOT_FOUND."""
        wanted = (business_id, message_id)
        async with self._database.connection("get_message") as connection:
            found = await messages.read_messages(connection, [wanted])
        if wanted not in found:
            raise Refusal(
                MessagingReasons.MESSAGE_NOT_FOUND, metadata={"message_id": str(message_id)}
            )
        return found[wanted]
