"""Owns Attach: the delivery stream of one end. The RPC's comment in the proto is its specification.

What bounds a stream, however its end behaves: at most `in_flight_max` envelopes without an ack; one
look into the mailbox at a time, of at most `LOOK_BYTES_MAX`; at most `FRAMES_BEING_RECORDED_MAX`
frames of acks, after which no further one is read; and one frame at a time being sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple

from services.kit.clock import Clock
from services.kit.coalesce import Coalescer
from services.kit.database import Database
from services.kit.wakeups import Wakeups
from services.messaging.actions.record_acks import AckFrame, RecordAcks
from services.messaging.store import mailboxes
from services.messaging.store.mailboxes import DeviceMailbox, EdgeMailbox, Look, Waiting

IN_FLIGHT_MAX = 256

# One look fills one frame.
LOOK_BYTES_MAX = 1024 * 1024
LOOKS_MAX = 64
LOOKS_IN_FLIGHT_MAX = 2

FRAMES_BEING_RECORDED_MAX = 32


class Delivery(NamedTuple):
    """A frame to an end."""

    envelopes: Sequence[Waiting]
    recorded: Sequence[AckFrame]  # what is on disk


Send = Callable[[Delivery], Awaitable[None]]


class Attach:
    """Opens delivery streams, which share their looks into the database."""

    def __init__(
        self,
        database: Database,
        record_acks: RecordAcks,
        wakeups: Wakeups,
        clock: Clock,
        *,
        poll_seconds: float,
    ) -> None:
        self._database = database
        self._record_acks = record_acks
        self._wakeups = wakeups
        self._clock = clock
        self._poll_seconds = poll_seconds
        # Mailboxes of devices and of edges are in different tables.
        self._looks: dict[type, Coalescer[Look, list[Waiting]]] = {
            kind: Coalescer(
                self._look, items_max=LOOKS_MAX, in_flight_max=LOOKS_IN_FLIGHT_MAX, name="looks"
            )
            for kind in (DeviceMailbox, EdgeMailbox)
        }
        self._woken: set[asyncio.Event] = set()

    async def __call__(
        self,
        mailbox: DeviceMailbox | EdgeMailbox,
        in_flight_max: int,
        frames: AsyncIterator[AckFrame],
        send: Send,
    ) -> None:
        """Deliver until the end has said its last frame, and all of it is recorded."""
        look = self._looks[type(mailbox)].submit
        # From here on wake-ups are heard, so that what comes after the first look is seen.
        async with self._wakeups.listen(mailbox.end_id) as woken:
            self._woken.add(woken)
            try:
                stream = DeliveryStream(
                    mailbox, in_flight_max, look, self._record_acks, send, woken
                )
                await stream.run(frames)
            finally:
                self._woken.discard(woken)

    async def run(self) -> None:
        """Let every stream look from time to time, as a wake-up may get lost; until cancelled."""
        while True:
            await self._clock.sleep(self._poll_seconds)
            for woken in self._woken:
                woken.set()

    async def _look(self, looks: Sequence[Look]) -> list[list[Waiting]]:
        async with self._database.connection("attach.look") as connection:
            return await mailboxes.look(connection, looks, self._clock.now(), LOOK_BYTES_MAX)


class DeliveryStream:
    """One end's stream: sends what waits, records what comes back."""

    def __init__(
        self,
        mailbox: DeviceMailbox | EdgeMailbox,
        in_flight_max: int,
        look: Callable[[Look], Awaitable[list[Waiting]]],
        record: Callable[[AckFrame], Awaitable[None]],
        send: Send,
        woken: asyncio.Event,
    ) -> None:
        self._mailbox = mailbox
        self._in_flight_max = in_flight_max
        self._look = look
        self._record = record
        self._send = send
        self._woken = woken
        self._in_flight: set[int] = set()
        self._room_worth_a_look = max(1, in_flight_max // 8)
        self._more_waits = False
        self._ended = False
        self._looking = False
        self._recorded: list[AckFrame] = []
        self._sending = asyncio.Lock()
        self._recording = asyncio.Semaphore(FRAMES_BEING_RECORDED_MAX)

    async def run(self, frames: AsyncIterator[AckFrame]) -> None:
        """Deliver until `frames` is at its end and everything it said is recorded."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._deliver())
            async for frame in frames:
                await self._recording.acquire()
                tasks.create_task(self._record_frame(frame))
            # Not cancelled: a frame may be on its way out, and nothing could follow half of one.
            self._ended = True
            self._woken.set()

    async def _deliver(self) -> None:
        while not self._ended:
            self._woken.clear()
            room = self._in_flight_max - len(self._in_flight)
            self._more_waits = room == 0 or await self._fill(room)
            if not self._more_waits or room == 0:
                await self._woken.wait()

    async def _fill(self, room: int) -> bool:
        """Send the oldest that waits; return whether more may wait behind it."""
        self._looking = True
        try:
            found = await self._look(Look(self._mailbox, tuple(self._in_flight), room))
        finally:
            self._looking = False
        self._in_flight.update(waiting.envelope_id for waiting in found)
        await self._send_frame(found)
        size = sum(len(waiting.envelope) for waiting in found)
        return len(found) == room or size >= LOOK_BYTES_MAX

    async def _record_frame(self, frame: AckFrame) -> None:
        try:
            await self._record(frame)
            self._in_flight.difference_update(ack.envelope_id for ack in frame.acks)
            # Looking for every single place that becomes free would cost a query for each.
            room = self._in_flight_max - len(self._in_flight)
            if self._more_waits and room >= self._room_worth_a_look:
                self._woken.set()
            self._recorded.append(frame)
            if not self._looking:  # Otherwise it goes out with what is found.
                await self._send_frame()
        finally:
            self._recording.release()

    async def _send_frame(self, envelopes: Sequence[Waiting] = ()) -> None:
        async with self._sending:
            recorded, self._recorded = self._recorded, []
            if envelopes or recorded:
                await self._send(Delivery(envelopes, recorded))
