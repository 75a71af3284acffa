"""Owns receipts: what ends did with their envelopes, on disk and told to the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from services.kit.clock import Clock
from services.kit.coalesce import Coalescer
from services.kit.database import Connection, Database
from services.kit.relay import Relay
from services.messaging.domain import Change, Disposition, MessageKey, Receipt
from services.messaging.figures import count_changes
from services.messaging.receipts import settle
from services.messaging.store import mailboxes
from services.messaging.store.mailboxes import DeviceMailbox, EdgeMailbox

BATCH_FRAMES_MAX = 256
BATCH_ACKS_MAX = 1024


class Ack(NamedTuple):
    """What an end did with one envelope."""

    envelope_id: int
    disposition: Disposition
    refusal_reason: str


class AckFrame(NamedTuple):
    """What an end says in one frame."""

    mailbox: DeviceMailbox | EdgeMailbox
    acks: Sequence[Ack]
    reads: Sequence[tuple[UUID, UUID]]  # business_id and message_id


class RecordAcks:
    """Records acks, in transactions that all streams of the process share.

    One transaction at a time: what an end says in two frames is recorded in their order.
    """

    def __init__(self, database: Database, relay: Relay, clock: Clock) -> None:
        self._database = database
        self._relay = relay
        self._clock = clock
        self._batches: Coalescer[AckFrame, None] = Coalescer(
            self._record,
            items_max=BATCH_FRAMES_MAX,
            weight=lambda frame: len(frame.acks) + len(frame.reads),
            weight_max=BATCH_ACKS_MAX,
            name="acks",
        )

    async def __call__(self, frame: AckFrame) -> None:
        """Return when what the frame says is on disk.

        An envelope that is not in the mailbox, because it was acked before, given up or never was
        there, changes nothing.
        """
        await self._batches.submit(frame)

    async def _record(self, frames: Sequence[AckFrame]) -> list[None]:
        from_devices: dict[tuple[DeviceMailbox, int], Ack] = {}
        from_edges: set[tuple[EdgeMailbox, int]] = set()
        readers: defaultdict[MessageKey, list[UUID]] = defaultdict(list)
        for frame in frames:
            mailbox = frame.mailbox
            if isinstance(mailbox, EdgeMailbox):
                from_edges.update((mailbox, ack.envelope_id) for ack in frame.acks)
                continue
            for ack in frame.acks:
                from_devices.setdefault((mailbox, ack.envelope_id), ack)
            for read in frame.reads:
                readers[MessageKey(mailbox.person_id, *read)].append(mailbox.end_id)

        async def record(connection: Connection) -> list[Change]:
            if from_edges:
                await mailboxes.delete_from_edges(connection, from_edges)
            receipts: defaultdict[MessageKey, list[Receipt]] = defaultdict(list)
            if from_devices:
                for taken in await mailboxes.take_from_devices(connection, from_devices):
                    mailbox = DeviceMailbox(taken.key.person_id, taken.device_id)
                    ack = from_devices[mailbox, taken.envelope_id]
                    receipts[taken.key].append(
                        Receipt(taken.device_id, ack.disposition, ack.refusal_reason)
                    )
            return await settle(connection, receipts, readers, self._clock.now())

        changes = await self._database.run("record_acks", record)
        if changes:
            count_changes(changes)
            self._relay.wake()
        return [None] * len(frames)
