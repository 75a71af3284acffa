"""Owns what a process tells of itself in numbers: counted where it happens, read by Prometheus.

Any module counts with prometheus-client's own types, whose names begin with `hudhud_`; labels take
few values and never an id or a text. They are counted always, for 0.4 µs (a counter) to 3 µs (a
histogram whose labels are looked up) each, and served where HUDHUD_METRICS_LISTEN says.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg
from prometheus_client import Gauge, Histogram, start_http_server

from services.kit.clock import Clock
from services.kit.config import Address
from services.kit.database import Database

log = logging.getLogger(__name__)

SAMPLE_SECONDS: Final = 15.0

CALLS: Final = Histogram(
    "hudhud_rpc_duration_seconds",
    "Calls served, by method, status code, and the reason of a refusal; a stream counts as it ends",
    ["method", "code", "reason"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def count_call(method: str, code: str, reason: str, started: float) -> None:
    """Count a call that is over; `started` is what `time.perf_counter` said at its beginning."""
    CALLS.labels(method, code, reason).observe(time.perf_counter() - started)


def serve(address: Address) -> None:
    """Answer GET /metrics there, in a thread of its own, until the process ends. Raises OSError."""
    start_http_server(address.port, address.host)


class Sample(NamedTuple):
    """Gauges that stand in the database: one for each column of the statement's only row."""

    statement: str
    gauges: Sequence[Gauge]


async def keep_sampled(database: Database, samples: Sequence[Sample], clock: Clock) -> None:
    """Set the gauges again and again. Every replica tells the same: take the greatest of them."""
    while True:
        for sample in samples:
            try:
                async with database.connection("sample") as connection:
                    row = await connection.fetchrow(sample.statement)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.info("no sample was taken: %s", error)
                continue
            assert row is not None
            for gauge, value in zip(sample.gauges, row, strict=True):
                gauge.set(value)
        await clock.sleep(SAMPLE_SECONDS)


# After so many the exact number says no more than that something is very wrong.
_OUTBOX_COUNTED_MAX: Final = 100_000

OUTBOX: Final = Sample(
    f"""
    SELECT count(*), coalesce(extract(epoch FROM now() - min(create_time)), 0)
    FROM (SELECT id FROM outbox_pending ORDER BY replay, id LIMIT {_OUTBOX_COUNTED_MAX}) AS pending
    JOIN outbox USING (id)
    """,  # noqa: S608 - only a constant
    (
        Gauge("hudhud_outbox_pending_events", "Events that JetStream has not acknowledged yet"),
        Gauge("hudhud_outbox_oldest_seconds", "Age of the oldest event of those"),
    ),
)
