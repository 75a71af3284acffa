"""Recording: what messaging tells of messages' states becomes events of the businesses."""

from __future__ import annotations

from collections.abc import Sequence

from hudhud.edge.v1 import edge_service_pb2
from hudhud.messaging.v1 import message_pb2
from services.ends.edge.domain import NewEvent
from services.ends.edge.session_book import SessionBook
from services.ends.edge.store import Store
from services.kit.clock import Clock
from services.kit.outbox import Event
from services.kit.wakeups import Wakeups

SUBJECTS = ("hudhud.messaging.message.>",)

# What a device says when its session has lost the thread: the next message begins a new one.
LOST_THREAD = "UNDECRYPTABLE"


class RecordStatuses:
    """Handles a batch of messaging's events; the same ones again change nothing."""

    def __init__(self, store: Store, sessions: SessionBook, wakeups: Wakeups, clock: Clock) -> None:
        self._store = store
        self._sessions = sessions
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
        await self._store.add_events([_event(change) for change in changes], self._clock.now())
        await self._keep_sessions(changes)
        self._wakeups.wake(ours)

    async def _keep_sessions(self, changes: Sequence[message_pb2.MessageChanged]) -> None:
        """Retires sessions that lost the thread; confirms those by which a message was opened."""
        lost = {_contact(change) for change in changes if change.refusal_reason == LOST_THREAD}
        opened = {
            _contact(change)
            for change in changes
            if change.message.state == message_pb2.MESSAGE_STATE_DELIVERED
        } - lost
        if lost:
            await self._store.retire_contacts(sorted(lost))
            self._sessions.forget_contacts(sorted(lost))
        if opened:
            await self._store.confirm_contacts(sorted(opened))
            self._sessions.confirm_contacts(sorted(opened))


def _contact(change: message_pb2.MessageChanged) -> tuple[str, str]:
    return change.message.business_id, change.message.contact_id


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
