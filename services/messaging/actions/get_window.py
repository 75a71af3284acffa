"""Owns GetWindow."""

from __future__ import annotations

from uuid import UUID

from services.kit.database import Database
from services.kit.errors import Refusal
from services.kit.pairwise import PairwiseIds
from services.messaging.domain import Window
from services.messaging.errors import MessagingReasons
from services.messaging.store import windows


class GetWindow:
    """Says what a person has opened to a business."""

    def __init__(self, database: Database, pairwise: PairwiseIds) -> None:
        self._database = database
        self._pairwise = pairwise

    async def __call__(self, business_id: UUID, contact_id: str) -> Window | None:
        """What was ever opened; None: nothing. Raises the refusal UNKNOWN_CONTACT."""
        contact = self._pairwise.open(business_id, contact_id)
        if contact is None:
            raise Refusal(MessagingReasons.UNKNOWN_CONTACT, metadata={"contact_id": contact_id})
        pair = (contact[0], business_id)
        async with self._database.connection("get_window") as connection:
            return (await windows.read_windows(connection, [pair])).get(pair)
