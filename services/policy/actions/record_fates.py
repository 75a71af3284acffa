"""Owns what policy learns from messaging: what became of the messages that it allowed."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hudhud.messaging.v1 import message_pb2
from services.kit.database import Connection, Database
from services.kit.outbox import Event
from services.policy.domain.messages import Fate, MessageKey
from services.policy.store import verdicts

STREAM = "messaging"
SUBJECTS = ("hudhud.messaging.message.>",)

_FATES = {int(fate): fate for fate in Fate if fate is not Fate.UNKNOWN}


async def record_fates(database: Database, events: Sequence[Event]) -> None:
    """Remember them beside the verdicts. The same events again, in any order, change nothing."""
    fates: dict[MessageKey, Fate] = {}
    for event in events:
        message = message_pb2.MessageChanged.FromString(event.payload).message
        fate = _FATES.get(message.state)
        if fate is not None:
            key = MessageKey(UUID(message.business_id), UUID(message.message_id))
            fates[key] = max(fate, fates.get(key, Fate.UNKNOWN))
    if not fates:
        return

    async def advance(connection: Connection) -> None:
        await verdicts.advance_fates(connection, fates)

    await database.run("record_fates", advance)
