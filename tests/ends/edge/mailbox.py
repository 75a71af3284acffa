"""A delivery stream of the edge's mailbox, filled by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from services.ends.edge.actions.receive_messages import ReceiveMessages
from services.ends.edge.contacts import Contacts
from services.ends.edge.domain import Ack, Incoming
from services.kit.clock import Clock
from services.kit.nats import Nats
from services.kit.wakeups import Wakeups
from tests.ends.edge.desk import Desk


class Mailbox:
    """Hands frames over and keeps the acks."""

    def __init__(self, *frames: Sequence[Incoming]) -> None:
        self._frames = frames
        self.acks: dict[int, str] = {}

    async def __aenter__(self) -> Mailbox:
        return self

    async def __aexit__(self, *error: object) -> None:
        return None

    async def __aiter__(self) -> AsyncIterator[list[Incoming]]:
        for frame in self._frames:
            yield list(frame)

    async def acknowledge(self, acks: Sequence[Ack]) -> None:
        self.acks.update({ack.envelope_id: ack.refusal_reason for ack in acks})


def quiet_wakeups(clock: Clock) -> Wakeups:
    """Wakes whoever listens in this process; there is no NATS."""
    return Wakeups(Nats("nats://127.0.0.1:1", name="test", clock=clock))


def receiver(desk: Desk) -> ReceiveMessages:
    """The receiving side of an edge process."""
    return ReceiveMessages(
        desk.store,
        desk.accounts,
        Contacts(desk.identity, desk.clock, 60),
        desk.book,
        desk.vault,
        quiet_wakeups(desk.clock),
        desk.clock,
    )


async def receive(desk: Desk, *frames: Sequence[Incoming]) -> dict[int, str]:
    """Everything that comes in these frames; the reason of the ack by envelope_id, or ""."""
    mailbox = Mailbox(*frames)
    await receiver(desk)(mailbox)
    return mailbox.acks
