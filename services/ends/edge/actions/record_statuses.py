"""Recording: what messaging tells of messages' states becomes events of the businesses."""

from __future__ import annotations

from collections.abc import Sequence

from hudhud.edge.v1 import edge_service_pb2
from hudhud.messaging.v1 import message_pb2
from services.ends.edge.domain import NewEvent
from services.ends.edge.store import Store
from services.kit.clock import Clock
from services.kit.outbox import Event
from services.kit.wakeups import Wakeups

SUBJECTS = ("hudhud.messaging.message.>",)

# What a device says when its session has lost the thread: the next message begins a new one.
LOST_THREAD = "UNDECRYPTABLE"

# States to which a message comes by a device that has opened it.
OPENED = (message_pb2.MESSAGE_STATE_DELIVERED, message_pb2.MESSAGE_STATE_READ)


class RecordStatuses:
    """Handles a batch of messaging's events; the same ones again change nothing."""

    def __init__(self, store: Store, wakeups: Wakeups, clock: Clock) -> None:
        self._store = store
        self._wakeups = wakeups
        self._clock = clock

    async def __call__(self, events: Sequence[Event]) -> None:
        """Stores the events of the businesses that this edge stands for."""
        changes = [message_pb2.MessageChanged.FromString(event.payload) for event in events]
        ours = await self._store.known_businesses(
            {change.message.business_id for change in changes}
        )
        changes = [change for change in changes if change.message.business_id in ours]
        if not changes:
            return
        now = self._clock.now()
        await self._store.add_events([_event(change) for change in changes], now)
        lost = {
            (change.message.business_id, change.message.contact_id)
            for change in changes
            if change.refusal_reason == LOST_THREAD
        }
        if lost:
            await self._store.retire_contacts(sorted(lost), now)
        opened = {
            (change.message.business_id, change.device_id)
            for change in changes
            if change.message.state in OPENED and change.device_id
        }
        if opened:
            await self._store.confirm_devices(sorted(opened))
        self._wakeups.wake(ours)


def _event(change: message_pb2.MessageChanged) -> NewEvent:
    message = change.message
    status = edge_service_pb2.StatusChanged(
        message_id=message.message_id,
        contact_id=message.contact_id,
        state=message.state,
        update_time=message.update_time,
        refusal_reason=change.refusal_reason,
    )
    return NewEvent(
        message.business_id,
        f"status:{message.message_id}:{message.state}",
        edge_service_pb2.Event(status_changed=status).SerializeToString(),
    )
