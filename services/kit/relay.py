"""Owns the road from the outbox to JetStream, and making good what JetStream loses.

Any number of replicas run a relay; one at a time leads, by an advisory lock in PostgreSQL, and
the others stand by. With one writer a stream's sequences only ever grow, and that is how a loss is
noticed:

- the stream is not there, or was made at another time than remembered: all of it is lost;
- its first sequence is beyond one that is remembered (purged), or there are new holes: all is lost;
- its last sequence is below the highest acknowledged, or another event sits there, or an ack
  comes with a sequence that was given out before: it went back, and what lay behind is lost.

What is lost is put back in `outbox_pending` and relayed again. Consumers are idempotent, so that
relaying too much is harmless, and relaying too little does not happen.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta

import asyncpg
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from services.kit.clock import Clock
from services.kit.database import FOUND_BY_KEY, Database
from services.kit.jetstream import Ack, Message, Publisher, Refused, Stream
from services.kit.nats import Disconnected, Nats
from services.kit.outbox import delete_old
from services.kit.stream_guard import Loss, Memory, StreamGuard
from services.kit.troubles import Troubles

logger = logging.getLogger(__name__)

WAKE_SUBJECT = "hudhud.relay"
DELETE_SECONDS = 600.0

# What went wrong is outside this process and may pass: begin again.
PASSING = (
    Disconnected,
    NatsError,
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)


class StreamWentBack(Exception):
    """An ack came with a sequence that had been given out before."""


class Relay:
    """Relays one service's outbox to one stream."""

    def __init__(
        self,
        database: Database,
        nats: Nats,
        stream: Stream,
        *,
        batch_max: int = 512,
        poll_seconds: float = 1.0,
        check_seconds: float = 3.0,
        retry_seconds: float = 0.5,
    ) -> None:
        self.database = database
        self.nats = nats
        self.stream = stream
        self.leading = False
        self.relayed_count = 0
        self._batch_max = batch_max
        self._poll_seconds = poll_seconds
        self._check_seconds = check_seconds
        self._retry_seconds = retry_seconds
        self._clock: Clock = database.clock
        self._woken = asyncio.Event()
        self._wake_subject = f"{WAKE_SUBJECT}.{stream.name}"
        self._tasks: set[asyncio.Task[None]] = set()
        self._calling = False
        self._troubles = Troubles(logger, f"relay {stream.name}", self._clock)

    def wake(self) -> None:
        """Say that events were committed. Cheap; without it they wait for the next poll."""
        if self.leading:
            self._woken.set()
        elif not self._calling:
            # The leader is another process. One call stands for all of this turn's commits.
            self._calling = True
            task = asyncio.get_running_loop().create_task(
                self._call_leader(), context=contextvars.Context()
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _call_leader(self) -> None:
        self._calling = False
        client = self.nats.client
        if client is not None:
            with suppress(NatsError, OSError):
                await client.publish(self._wake_subject)

    async def run(self) -> None:
        """Relay until cancelled. With NATS or PostgreSQL down, wait and go on."""
        while True:
            try:
                await self.nats.serve(self._stand_by)
            except PASSING as error:
                self._troubles.tell(str(error) or type(error).__name__)
            except Exception:
                logger.exception("relay %s: an error nobody foresaw", self.stream.name)
            await self._clock.sleep(self._retry_seconds)

    async def _stand_by(self, client: Client) -> None:
        """Wait for the lock, then lead. The lock and what it protects share one connection.

        So a leader that has lost the lock, with its connection, cannot mark anything any more.
        """
        # `outbox_pending` is empty one moment and long the next: statistics are always wrong.
        connection = await self.database.connect(
            "relay", answer_seconds=30.0, postgres_settings=FOUND_BY_KEY
        )
        try:
            while not await connection.fetchval(
                "SELECT pg_try_advisory_lock(hashtext('relay'), hashtext($1))", self.stream.name
            ):
                await self._clock.sleep(self._retry_seconds)
            self.leading = True
            async with self._woken_by(client), Publisher(client, self.stream.name) as publisher:
                await self._lead(connection, client, publisher)
        finally:
            self.leading = False
            connection.terminate()

    @asynccontextmanager
    async def _woken_by(self, client: Client) -> AsyncIterator[None]:
        """Listen to other replicas, and keep the outbox small meanwhile."""

        async def woken(_: Msg) -> None:
            self._woken.set()

        subscription = await client.subscribe(self._wake_subject, cb=woken)
        cleaner = asyncio.get_running_loop().create_task(self._delete_old())
        try:
            yield
        finally:
            cleaner.cancel()
            with suppress(NatsError, OSError):
                await subscription.unsubscribe()

    async def _delete_old(self) -> None:
        while True:
            try:
                await delete_old(
                    self.database, retention=timedelta(days=self.stream.retention_days)
                )
            except PASSING as error:
                self._troubles.tell(f"cannot delete old events: {error}")
            await self._clock.sleep(DELETE_SECONDS)

    async def _lead(
        self,
        connection: asyncpg.Connection[asyncpg.Record],
        client: Client,
        publisher: Publisher,
    ) -> None:
        guard = StreamGuard(connection, client.jetstream(timeout=5), self.stream)
        await guard.ensure()
        memory = await guard.check()
        checked = self._clock.monotonic()
        logger.info("relay %s: leading", self.stream.name)
        while True:
            if self._clock.monotonic() - checked >= self._check_seconds:
                memory = await guard.check()
                checked = self._clock.monotonic()
            self._woken.clear()
            rows = await connection.fetch(FETCH, self._batch_max * 3 // 4, self._batch_max)
            if not rows:
                self._troubles.over()
                await self._wait_for_events()
                continue
            outcomes = await publisher.publish(make_messages(rows, memory.generation))
            acks = [outcome if isinstance(outcome, Ack) else None for outcome in outcomes]
            try:
                require_growing(acks, memory.sequence or 0)
            except StreamWentBack as error:
                # Nothing of this batch is marked: all of it is published again.
                before, memory = memory, await guard.check()
                if memory.generation == before.generation:
                    # The check found nothing wrong, yet a sequence came twice: believe the ack.
                    memory = await guard.make_good(Loss(str(error), went_back=True))
                continue
            memory = await self._mark(connection, rows, acks, memory)
            trouble = next((str(o) for o in outcomes if isinstance(o, Refused)), None)
            if trouble is None and None in outcomes:
                trouble = "JetStream did not answer in time"
            if trouble is not None:
                self._troubles.tell(trouble)
                await self._clock.sleep(self._retry_seconds)
                memory = await guard.check()

    async def _wait_for_events(self) -> None:
        wait = asyncio.ensure_future(self._woken.wait())
        poll = asyncio.ensure_future(
            self._clock.sleep(min(self._poll_seconds, self._check_seconds))
        )
        try:
            await asyncio.wait({wait, poll}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            wait.cancel()
            poll.cancel()

    async def _mark(
        self,
        connection: asyncpg.Connection[asyncpg.Record],
        rows: Sequence[asyncpg.Record],
        acks: Sequence[Ack | None],
        memory: Memory,
    ) -> Memory:
        """Remember what JetStream has. Dying before this has it all published a second time."""
        stored = [(ack.sequence, row) for ack, row in zip(acks, rows, strict=True) if ack]
        if not stored:
            return memory
        sequence, last = max(stored, key=lambda pair: pair[0])
        remembered = await connection.fetchval(
            MARK,
            self.stream.name,
            sequence,
            min(stored, key=lambda pair: pair[0])[0],
            last["event_id"],
            [row["id"] for _, row in stored],
            memory.generation,
        )
        if remembered is None:
            raise Disconnected("another relay has taken over")
        self.relayed_count += len(stored)
        if sequence <= (memory.sequence or 0):
            return memory
        return replace(memory, sequence=sequence, event_id=last["event_id"])


def make_messages(rows: Sequence[asyncpg.Record], generation: int) -> list[Message]:
    """What is published for rows of the outbox."""
    suffix = f".{generation}" if generation else ""
    return [
        Message(str(row["event_id"]) + suffix, row["subject"], row["payload"], row["trace"] or {})
        for row in rows
    ]


def require_growing(acks: Sequence[Ack | None], sequence: int) -> None:
    """Raise `StreamWentBack` unless each new message got a higher sequence than all before it."""
    for ack in acks:
        if ack is None or ack.duplicate:
            continue
        if ack.sequence <= sequence:
            raise StreamWentBack(f"sequence {ack.sequence} was given out twice")
        sequence = ack.sequence


# The new first; a quarter of every batch is left for what is relayed again.
FETCH = """
WITH fresh AS (
    SELECT replay, id FROM outbox_pending WHERE NOT replay ORDER BY id LIMIT $1
), again AS (
    SELECT replay, id FROM outbox_pending WHERE replay ORDER BY id
    LIMIT $2 - (SELECT count(*) FROM fresh)
)
SELECT id, event_id, subject, payload, trace
FROM (SELECT * FROM fresh UNION ALL SELECT * FROM again) AS chosen JOIN outbox USING (id)
ORDER BY replay, id
"""

# One statement: what is marked and what is remembered cannot come apart.
MARK = """
WITH remembered AS (
    UPDATE relay_streams
    SET sequence = greatest(sequence, $2),
        event_id = CASE WHEN $2 > coalesce(sequence, 0) THEN $4::uuid ELSE event_id END
    WHERE stream = $1 AND generation = $6
    RETURNING stream
), batch AS (
    INSERT INTO relay_batches (stream, sequence_max, sequence_min, event_id, ids)
    SELECT stream, $2, $3, $4, $5::bigint[] FROM remembered
    ON CONFLICT (stream, sequence_max) DO UPDATE
    SET sequence_min = least(relay_batches.sequence_min, excluded.sequence_min),
        ids = relay_batches.ids || excluded.ids
), marked AS (
    DELETE FROM outbox_pending
    WHERE replay = ANY ('{false,true}')
      AND id = ANY ($5::bigint[])
      AND EXISTS (SELECT FROM remembered)
)
SELECT stream FROM remembered
"""
