"""What the person wrote, on its way to messaging: stored first, handed over until confirmed."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from hudhud.messaging.v1 import messaging_service_pb2
from services.ends.device.platform import Connections
from services.ends.device.store import Store
from services.kit.errors import Refusal

logger = logging.getLogger(__name__)

ITEMS_AT_A_TIME: Final = 100


class Outbox:
    """Hands sealed messages over, always the same ciphertexts, in the order of their sealing."""

    def __init__(self, store: Store, connections: Connections) -> None:
        self._store = store
        self._connections = connections
        self._handing_over = asyncio.Lock()
        self._refused: dict[str, Refusal | None] = {}  # Of those whose sender waits to know.

    async def hand_over(self) -> None:
        """Everything that messaging has not confirmed. Raises Refusal when it does not answer."""
        async with self._handing_over:
            while items := self._store.unconfirmed(ITEMS_AT_A_TIME):
                response = await self._connections.messaging.SubmitMessages(
                    messaging_service_pb2.SubmitMessagesRequest(
                        items=[
                            messaging_service_pb2.SubmitItem.FromString(item) for _, item in items
                        ]
                    )
                )
                for (message_id, _), outcome in zip(items, response.outcomes, strict=True):
                    if outcome.HasField("refusal"):
                        self._note(message_id, Refusal.from_proto(outcome.refusal))
                self._store.confirm(message_id for message_id, _ in items)

    async def hand_over_with(self, message_id: str) -> None:
        """The same. Raises Refusal also if messaging refuses this message."""
        self._refused[message_id] = None
        try:
            await self.hand_over()
        finally:
            refusal = self._refused.pop(message_id)
        if refusal is not None:
            raise refusal

    def _note(self, message_id: str, refusal: Refusal) -> None:
        logger.warning("message %s was refused: %s", message_id, refusal)
        if message_id in self._refused:
            self._refused[message_id] = refusal
