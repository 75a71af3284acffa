"""What messaging tells: an event for the business, once; and what it says about sessions."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from hudhud.edge.v1 import edge_service_pb2
from hudhud.messaging.v1 import message_pb2
from services.ends.edge.actions.record_statuses import RecordStatuses
from services.kit.clock import new_id
from services.kit.outbox import Event
from tests.ends.edge.desk import Desk
from tests.ends.edge.mailbox import quiet_wakeups
from tests.ends.handset import NOW, Handset

DELIVERED = message_pb2.MESSAGE_STATE_DELIVERED
READ = message_pb2.MESSAGE_STATE_READ
REFUSED = message_pb2.MESSAGE_STATE_REFUSED
EXPIRED = message_pb2.MESSAGE_STATE_EXPIRED


@pytest.fixture
def record(desk: Desk) -> RecordStatuses:
    return RecordStatuses(desk.store, quiet_wakeups(desk.clock), desk.clock)


def change(
    desk: Desk,
    state: message_pb2.MessageState,
    handset: Handset | None = None,
    *,
    message_id: UUID | None = None,
    business_id: str = "",
    reason: str = "",
) -> Event:
    """What messaging tells of a message."""
    business_id = business_id or desk.business_id
    changed = message_pb2.MessageChanged(
        message=message_pb2.Message(
            message_id=str(message_id or new_id()),
            business_id=business_id,
            contact_id=handset.contact_id(business_id) if handset else "c_x",
            state=state,
        ),
        device_id=handset.end_id if handset else "",
        refusal_reason=reason,
    )
    changed.message.update_time.FromDatetime(NOW)
    return Event(new_id(), "hudhud.messaging.message.x", changed.SerializeToString())


async def statuses(desk: Desk) -> list[tuple[str, int]]:
    """(message_id, state) as the business was told."""
    found = []
    for stored in await desk.store.list_events(desk.business_id, 0, 1000):
        status = edge_service_pb2.Event.FromString(stored.payload).status_changed
        found.append((status.message_id, int(status.state)))
    return found


async def test_each_state_is_told_once_however_often_it_comes(
    desk: Desk, handset: Handset, record: RecordStatuses
) -> None:
    message_id = new_id()
    delivered, read = (
        change(desk, state, handset, message_id=message_id) for state in (DELIVERED, READ)
    )
    await record([delivered, delivered])
    await record([delivered, read])
    await record([read, delivered])
    assert await statuses(desk) == [(str(message_id), DELIVERED), (str(message_id), READ)]


async def test_what_happens_at_other_edges_is_not_told_here(
    desk: Desk, record: RecordStatuses
) -> None:
    stranger = str(uuid4())
    await record([change(desk, EXPIRED, business_id=stranger), change(desk, EXPIRED)])
    assert len(await statuses(desk)) == 1
    assert await desk.store.list_events(stranger, 0, 10) == []


@pytest.mark.parametrize(("state", "left"), [(DELIVERED, 0), (READ, 0), (REFUSED, 2), (EXPIRED, 2)])
async def test_a_device_that_opened_a_message_confirms_its_session(
    desk: Desk,
    handset: Handset,
    new_handset: Callable[..., Handset],
    record: RecordStatuses,
    state: message_pb2.MessageState,
    left: int,
) -> None:
    tablet = new_handset(person=handset.person)
    for _ in range(2):
        await desk.book.seal([desk.request(b"text", handset, tablet)])
    await record([change(desk, state, handset)])
    assert await desk.unconfirmed(handset) == left
    assert await desk.unconfirmed(tablet) == 2


async def test_a_lost_thread_begins_new_sessions_with_that_person_only(
    desk: Desk, handset: Handset, new_handset: Callable[..., Handset], record: RecordStatuses
) -> None:
    other = new_handset()
    for one in (handset, other):
        await desk.seal(b"begins", one)
    await record([change(desk, REFUSED, handset, reason="COMMITMENT_MISMATCH")])
    await desk.seal(b"goes on", handset)
    claims = desk.identity.troubles.calls["ClaimKeyBundles"]
    await record([change(desk, REFUSED, handset, reason="UNDECRYPTABLE")])
    for one in (handset, other):
        assert one.open(desk.business_id, await desk.seal(b"anew", one)) == b"anew"
    assert desk.identity.troubles.calls["ClaimKeyBundles"] == claims + 1
