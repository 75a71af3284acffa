"""Owns the receiving end of events: batches to a handler, acknowledged once it has committed.

Delivery is at least once and in no promised order; handlers are idempotent by `event_id` and only
move states forward. After a stream was lost everything in the outbox comes again.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import asyncpg
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import api
from nats.js.errors import NotFoundError
from prometheus_client import Counter, Gauge

from services.kit import traces
from services.kit.coalesce import Overloaded
from services.kit.database import NOT_UP_YET, WORTH_RETRYING, Database, DatabaseUnavailable
from services.kit.nats import Disconnected, Nats
from services.kit.outbox import Event
from services.kit.pull import ConsumerGone, Pull
from services.kit.troubles import Troubles

logger = logging.getLogger(__name__)

WAITING = Gauge(
    "hudhud_consumer_waiting_events", "Events that a consumer has not been given yet", ["consumer"]
)
PARKED = Counter(
    "hudhud_consumer_parked_events_total", "Events that a consumer has given up", ["consumer"]
)

Handler = Callable[[list[Event]], Awaitable[None]]

# Errors that say nothing about the event: they never park one.
PASSING = (*NOT_UP_YET, *WORTH_RETRYING, DatabaseUnavailable, Overloaded, asyncpg.InterfaceError)

MESSAGE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

PARK = """
INSERT INTO consumer_parked (consumer, event_id, subject, payload, trace, error, tries)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (consumer, event_id) DO UPDATE SET error = excluded.error, tries = excluded.tries
"""


class Consumer:
    """One durable consumer of one stream. Replicas with the same name share the work."""

    def __init__(
        self,
        database: Database,
        nats: Nats,
        *,
        stream: str,
        name: str,
        subjects: Sequence[str],
        handler: Handler,
        batch_max: int = 256,
        tries_max: int = 8,
        backoff_seconds: float = 1.0,
        backoff_seconds_max: float = 60.0,
        ack_wait_seconds: float = 10.0,
        retry_seconds: float = 1.0,
    ) -> None:
        """`name` is the consumer's in JetStream (such as `billing`), `subjects` what it gets.

        An event whose handling fails `tries_max` times goes to the table `consumer_parked`, and is
        tried again when the process next starts.
        `ack_wait_seconds` bounds one call of the handler; what a killed process had been given
        comes again after twice that.
        """
        self.database = database
        self.nats = nats
        self.stream = stream
        self.name = name
        self.handled_count = 0
        self.parked_count = 0
        # Events in the stream that this consumer has not been given yet; None before the first.
        self.lag: int | None = None
        self._waiting = WAITING.labels(name)
        self._parked = PARKED.labels(name)  # told from the start: a first one shows as a rise
        self._subjects = list(subjects)
        self._handler = handler
        self._batch_max = batch_max
        self._tries_max = tries_max
        self._backoff_seconds = backoff_seconds
        self._backoff_seconds_max = backoff_seconds_max
        self._ack_wait_seconds = ack_wait_seconds
        self._retry_seconds = retry_seconds
        self._tried_parked = False
        self._troubles = Troubles(logger, f"consumer {name}", database.clock)

    async def run(self) -> None:
        """Consume until cancelled. With NATS down or the stream not there yet, wait and go on."""
        while True:
            try:
                await self.nats.serve(self._consume)
            except NotFoundError:
                self._troubles.tell(f"there is no stream {self.stream} yet")
            except (ConsumerGone, Disconnected, NatsError, *PASSING) as error:
                self._troubles.tell(str(error) or type(error).__name__)
            except Exception:
                logger.exception("consumer %s: an error nobody foresaw", self.name)
            await self.database.clock.sleep(self._retry_seconds)

    async def _consume(self, client: Client) -> None:
        jetstream = client.jetstream()
        info = await jetstream.add_consumer(
            self.stream,
            api.ConsumerConfig(
                durable_name=self.name,
                deliver_policy=api.DeliverPolicy.ALL,
                ack_policy=api.AckPolicy.EXPLICIT,
                ack_wait=self._ack_wait_seconds * 2,
                max_ack_pending=self._batch_max * 16,
                max_deliver=-1,
                filter_subjects=self._subjects,
            ),
        )
        self._lags(info.num_pending or 0)
        logger.info("consumer %s: %d events waiting in %s", self.name, self.lag, self.stream)
        self._troubles.over()
        if not self._tried_parked:
            await self._try_parked()
        async with Pull(client, self.stream, self.name, self._batch_max) as pull:
            while True:
                messages = await pull.next()
                self._lags(messages[-1].metadata.num_pending + len(messages))
                await self._handle(
                    [message for message in messages if await self._is_ours(message)]
                )
                self._lags(messages[-1].metadata.num_pending)

    def _lags(self, count: int) -> None:
        self.lag = count
        self._waiting.set(count)

    async def _is_ours(self, message: Msg) -> bool:
        """Whether a relay wrote it; anything else is dropped from the stream's deliveries."""
        if MESSAGE_ID.match((message.headers or {}).get("Nats-Msg-Id", "")):
            return True
        logger.error("consumer %s: a message without an event id in %s", self.name, self.stream)
        await message.term()
        return False

    async def _handle(self, messages: list[Msg]) -> None:
        if not messages:
            return
        events = [read_event(message) for message in messages]
        error = await self._try(events)
        if error is None:
            await self._acknowledge(messages)
        elif len(events) == 1:
            await self._give_back(messages[0], events[0], error)
        elif isinstance(error, PASSING):
            for message, event in zip(messages, events, strict=True):
                await self._give_back(message, event, error)
        else:
            # One of them is bad. Halving finds it and lets the others through.
            half = len(messages) // 2
            await self._handle(messages[:half])
            await self._handle(messages[half:])

    async def _try(self, events: list[Event]) -> Exception | None:
        try:
            async with asyncio.timeout(self._ack_wait_seconds):
                await self._handler(events)
        except Exception as error:
            return error
        return None

    async def _acknowledge(self, messages: list[Msg]) -> None:
        # Handled and not acknowledged: if this process dies here, the same events come again.
        for message in messages:
            await message.ack()
        self.handled_count += len(messages)

    async def _give_back(self, message: Msg, event: Event, error: Exception) -> None:
        tries = message.metadata.num_delivered
        passing = isinstance(error, PASSING)
        if tries >= self._tries_max and not passing:
            try:
                await self._park(event, error, tries)
            except (*PASSING, asyncpg.PostgresError) as failure:
                logger.error("consumer %s: cannot park an event: %s", self.name, failure)
            else:
                await message.ack()
                return
        delay_seconds = min(
            self._backoff_seconds * 2 ** min(tries - 1, 16), self._backoff_seconds_max
        )
        logger.warning(
            "consumer %s: an event failed, and comes again: %s",
            self.name,
            error if passing else type(error).__name__,
            # What passes by itself says all in a line; a fault needs its stack.
            exc_info=None if passing else error,
            extra={**_about(event, tries), "again_in_seconds": delay_seconds},
        )
        await message.nak(delay=delay_seconds)

    async def _park(self, event: Event, error: Exception, tries: int) -> None:
        async with self.database.transaction("park_event") as connection:
            await connection.execute(
                PARK,
                self.name,
                event.event_id,
                event.subject,
                event.payload,
                dict(event.trace) if event.trace else None,
                f"{type(error).__name__}: {error}",
                tries,
            )
        self.parked_count += 1
        self._parked.inc()
        logger.error(
            "consumer %s: an event is parked", self.name, exc_info=error, extra=_about(event, tries)
        )

    async def _try_parked(self) -> None:
        """Once in each process: the cause may have been mended in this one."""
        last, accepted_count = UUID(int=0), 0
        while rows := await self._read_parked(last):
            last = rows[-1]["event_id"]
            accepted = [row["event_id"] for row in rows if await self._try([Event(**row)]) is None]
            async with self.database.connection("delete_parked_events") as connection:
                await connection.execute(
                    "DELETE FROM consumer_parked"
                    " WHERE consumer = $1 AND event_id = ANY ($2::uuid[])",
                    self.name,
                    accepted,
                )
            accepted_count += len(accepted)
        if accepted_count:
            logger.info("consumer %s: handled %d parked events", self.name, accepted_count)
        self._tried_parked = True

    async def _read_parked(self, after: UUID) -> list[asyncpg.Record]:
        async with self.database.connection("read_parked_events") as connection:
            return await connection.fetch(
                "SELECT event_id, subject, payload, trace FROM consumer_parked"
                " WHERE consumer = $1 AND event_id > $2 ORDER BY event_id LIMIT $3",
                self.name,
                after,
                self._batch_max,
            )


def _about(event: Event, tries: int) -> dict[str, object]:
    """What a log line tells of an event."""
    return {
        "event_id": event.event_id,
        "subject": event.subject,
        "tries": tries,
        **traces.log_ids_in(event.trace),
    }


def read_event(message: Msg) -> Event:
    """The event in a JetStream message; its id is the first 36 characters of the message id."""
    headers = message.headers or {}
    trace = {name: value for name, value in headers.items() if not name.startswith("Nats-")}
    return Event(UUID(headers["Nats-Msg-Id"][:36]), message.subject, message.data, trace or None)
