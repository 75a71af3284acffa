"""Owns the comparison of a stream with what PostgreSQL remembers of it, and making good a loss."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError

from services.kit.jetstream import Stream

logger = logging.getLogger(__name__)

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of a stream; the columns of `relay_streams`."""

    stream_create_time: datetime
    sequence: int | None
    event_id: UUID | None
    missing_count: int
    generation: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What a stream lost: all behind the sequence `after` (0: all there was).

    `went_back`: sequences beyond `after` are given out a second time.
    """

    reason: str
    after: int = 0
    went_back: bool = False


class StreamGuard:
    """Compares a stream with what PostgreSQL remembers of it."""

    def __init__(
        self,
        connection: asyncpg.Connection[asyncpg.Record],
        jetstream: JetStreamContext,
        stream: Stream,
    ) -> None:
        self._connection = connection
        self._jetstream = jetstream
        self._stream = stream
        self._info: api.StreamInfo | None = None

    async def ensure(self) -> None:
        """Make the stream, or bring its settings up to date; neither touches messages."""
        wanted = api.StreamConfig(
            name=self._stream.name,
            subjects=list(self._stream.subjects),
            num_replicas=self._stream.replicas,
            storage=api.StorageType.FILE,
            retention=api.RetentionPolicy.LIMITS,
            max_age=(self._stream.retention_days + 1) * DAY_SECONDS,
            # Full means refused, and the outbox holds; never the oldest silently dropped.
            discard=api.DiscardPolicy.NEW,
            duplicate_window=120,
        )
        try:
            info = await self._jetstream.stream_info(self._stream.name)
        except NotFoundError:
            await self._jetstream.add_stream(wanted)
            logger.info("made the stream %s", self._stream.name)
            return
        owned = ("subjects", "num_replicas", "max_age", "discard", "duplicate_window")
        if any(getattr(info.config, name) != getattr(wanted, name) for name in owned):
            await self._jetstream.update_stream(
                info.config.evolve(**{name: getattr(wanted, name) for name in owned})
            )
            logger.info("brought the settings of the stream %s up to date", self._stream.name)

    async def check(self) -> Memory:
        """Compare, have what is lost relayed again, and return what is remembered from now on."""
        try:
            info = await self._jetstream.stream_info(self._stream.name)
        except NotFoundError:
            await self.ensure()
            info = await self._jetstream.stream_info(self._stream.name)
        self._info = info
        memory = await self._recall()
        if memory is None:
            await self._connection.execute(
                "INSERT INTO relay_streams (stream, stream_create_time, missing_count)"
                " VALUES ($1, $2, $3)",
                self._stream.name,
                info.created,
                missing_count(info),
            )
            memory = await self._recall()
            assert memory is not None
            return memory
        loss = await self._find_loss(info, memory)
        return memory if loss is None else await self.make_good(loss)

    async def _recall(self) -> Memory | None:
        row = await self._connection.fetchrow(
            "SELECT stream_create_time, sequence, event_id, missing_count, generation"
            " FROM relay_streams WHERE stream = $1",
            self._stream.name,
        )
        return None if row is None else Memory(**row)

    async def _find_loss(self, info: api.StreamInfo, memory: Memory) -> Loss | None:
        if info.created != memory.stream_create_time:
            return Loss("was made anew")
        oldest = await self._connection.fetchval(
            "SELECT min(sequence_min) FROM relay_batches WHERE stream = $1", self._stream.name
        )
        if oldest is not None and info.state.first_seq > oldest:
            return Loss("was purged")
        if missing_count(info) > memory.missing_count:
            return Loss("has holes")
        if memory.sequence is None or memory.event_id is None:
            return None
        if info.state.last_seq < memory.sequence:
            return Loss("went back", info.state.last_seq, went_back=True)
        if not await self._holds(memory.sequence, memory.event_id):
            after = await self._last_intact_batch()
            return Loss("went back and was written on", after, went_back=True)
        return None

    async def _holds(self, sequence: int, event_id: UUID) -> bool:
        try:
            message = await self._jetstream.get_msg(self._stream.name, sequence)
        except NotFoundError:
            return False
        message_id: str = (message.headers or {}).get("Nats-Msg-Id", "")
        return message_id.startswith(str(event_id))

    async def _last_intact_batch(self) -> int:
        """Step back 1, 2, 4, 8 ... batches until one is where it was; return its sequence."""
        step = 1
        while row := await self._connection.fetchrow(
            "SELECT sequence_max, event_id FROM relay_batches WHERE stream = $1"
            " ORDER BY sequence_max DESC OFFSET $2 LIMIT 1",
            self._stream.name,
            step,
        ):
            if await self._holds(row["sequence_max"], row["event_id"]):
                return int(row["sequence_max"])
            step *= 2
        return 0

    async def make_good(self, loss: Loss) -> Memory:
        """Have what was lost relayed again; return what is remembered from now on."""
        assert self._info is not None
        stream = self._stream.name
        if loss.went_back:
            await self._rewind_consumers(loss.after)
        async with self._connection.transaction():
            await self._connection.execute(WHOLE_TABLES)
            if loss.after == 0:
                status = await self._connection.execute(REPLAY_ALL, timeout=REPLAY_SECONDS_MAX)
            else:
                status = await self._connection.execute(
                    REPLAY_BEHIND, stream, loss.after, timeout=REPLAY_SECONDS_MAX
                )
            await self._connection.execute(
                "DELETE FROM relay_batches WHERE stream = $1 AND sequence_max > $2",
                stream,
                loss.after,
            )
            await self._connection.execute(
                FORGET, stream, loss.after, self._info.created, missing_count(self._info)
            )
        logger.warning(
            "the stream %s %s; relaying %s events behind sequence %d again",
            stream,
            loss.reason,
            status.split()[-1],
            loss.after,
        )
        memory = await self._recall()
        assert memory is not None
        return memory

    async def _rewind_consumers(self, after: int) -> None:
        """Take back consumers that are ahead of a stream that went back.

        They would skip the new messages that get the old sequences. This comes before the loss is
        remembered as made good, so that dying in between repeats it, which is harmless.
        """
        for consumer in await self._jetstream.consumers_info(self._stream.name):
            if consumer.delivered is None or consumer.delivered.stream_seq <= after:
                continue
            logger.warning("taking the consumer %s back to %d", consumer.name, after)
            try:
                await self._jetstream.reset_consumer(self._stream.name, consumer.name, after + 1)
            except (APIError, NatsError):
                # A server before 2.14 cannot; the consumer makes itself anew from the beginning.
                with suppress(NotFoundError):
                    await self._jetstream.delete_consumer(self._stream.name, consumer.name)


def missing_count(info: api.StreamInfo) -> int:
    """How many sequences between the first and the last have no message."""
    state = info.state
    if state.messages == 0:
        return 0
    return int(state.last_seq - state.first_seq + 1 - state.messages)


# Unlike the relay's other statements these read whole tables. Half a million events take a second.
REPLAY_SECONDS_MAX = 3600.0
WHOLE_TABLES = "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on"

REPLAY_ALL = """
INSERT INTO outbox_pending (replay, id)
SELECT true, id FROM outbox
WHERE NOT EXISTS (SELECT FROM outbox_pending AS pending WHERE pending.id = outbox.id)
"""

REPLAY_BEHIND = """
INSERT INTO outbox_pending (replay, id)
SELECT true, id
FROM (
    SELECT DISTINCT unnest(ids) AS id FROM relay_batches WHERE stream = $1 AND sequence_max > $2
) AS lost
JOIN outbox USING (id)
ON CONFLICT DO NOTHING
"""

FORGET = """
WITH last AS (
    SELECT sequence_max, event_id FROM relay_batches
    WHERE stream = $1 AND sequence_max <= $2
    ORDER BY sequence_max DESC LIMIT 1
)
UPDATE relay_streams
SET sequence = (SELECT sequence_max FROM last),
    event_id = (SELECT event_id FROM last),
    stream_create_time = $3,
    missing_count = greatest(
        $4, CASE WHEN stream_create_time = $3 THEN missing_count ELSE 0 END
    ),
    generation = generation + 1
WHERE stream = $1
"""
