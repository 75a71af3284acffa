"""Owns the moving on of messages: their new states, and the events that tell of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.kit.database import Connection
from services.kit.outbox import append
from services.messaging.domain import Change, MessageKey, Receipt, advance
from services.messaging.envelopes import change_event
from services.messaging.store import messages


async def settle(
    connection: Connection,
    receipts: Mapping[MessageKey, Sequence[Receipt]],
    readers: Mapping[MessageKey, Sequence[UUID]],
    now: datetime,
) -> list[Change]:
    """Move messages on by what was done with their copies, and tell the others of every change.

    In the caller's transaction, so that a state and its event cannot come apart.
    """
    keys = receipts.keys() | readers.keys()
    if not keys:
        return []
    moved = []
    changes: list[Change] = []
    # Whoever else has to do with these messages waits from here on until this commits.
    for key, message in (await messages.lock_messages(connection, keys)).items():
        after, came_to = advance(message, receipts.get(key, ()), readers.get(key, ()), now)
        if after != message:
            moved.append(after)
        changes += came_to
    await messages.update_messages(connection, moved)
    await append(connection, [change_event(change) for change in changes])
    return changes
