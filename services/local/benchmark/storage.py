"""What a platform keeps: bytes in tables and logs, commits, and when all that was told is written.

Everything is read from the servers themselves, as differences between two moments.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg

from services.local.errors import LocalError
from services.local.platform import LocalPlatform

# PostgreSQL's idle sessions hand in their counts after ten seconds.
COUNTS_SECONDS: Final = 11.0
SETTLED_SECONDS_MAX: Final = 120.0

_TABLES: Final = """
SELECT relname, pg_total_relation_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""

# Of the sessions that are there; those of the services live as long as their pools.
_LOG_BY_DATABASE: Final = """
SELECT datname, sum(log.wal_bytes)::bigint AS wal_bytes
FROM pg_stat_activity CROSS JOIN LATERAL pg_stat_get_backend_wal(pid) AS log
WHERE datname LIKE 'hudhud_%' GROUP BY datname
"""

_COMMITS: Final = "SELECT datname, xact_commit FROM pg_stat_database WHERE datname LIKE 'hudhud_%'"

_LOG: Final = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"

# Statements of a service's database that count what is still to be done with messages.
_UNDONE: Final = (
    ("billing", "SELECT count(*) FROM open_reservations"),
    ("policy", "SELECT count(*) FROM verdicts WHERE fate = 0 AND evidence IS NULL"),
    ("messaging", "SELECT count(*) FROM outbox_pending"),
)


@dataclass(frozen=True)
class Kept:
    """What is kept at one moment."""

    table_bytes: Mapping[str, int]  # by "service.table", indexes included
    commits: Mapping[str, int]  # by service
    log_bytes: Mapping[str, int]  # by service, and "all"
    jetstream_bytes: int


async def read_kept(platform: LocalPlatform) -> Kept:
    """What is kept now. Waits until all sessions have handed in their counts."""
    assert platform.postgres is not None
    await asyncio.sleep(COUNTS_SECONDS)
    admin = await asyncpg.connect(platform.postgres.admin_url)
    try:
        commits = {row["datname"]: row["xact_commit"] for row in await admin.fetch(_COMMITS)}
        logs = {row["datname"]: row["wal_bytes"] for row in await admin.fetch(_LOG_BY_DATABASE)}
        log = await admin.fetchval(_LOG)
    finally:
        await admin.close()
    tables = {}
    for service in platform.processes:
        connection = await asyncpg.connect(platform.database_url(service))
        try:
            for name, size in await connection.fetch(_TABLES):
                tables[f"{service}.{name}"] = int(size)
        finally:
            await connection.close()
    return Kept(
        table_bytes=tables,
        commits={name.removeprefix("hudhud_"): int(count) for name, count in commits.items()},
        log_bytes={
            **{name.removeprefix("hudhud_"): int(count) for name, count in logs.items()},
            "all": int(log),
        },
        jetstream_bytes=sum(
            file.stat().st_size for file in (platform.state / "nats").rglob("*.blk")
        ),
    )


async def wait_until_settled(platform: LocalPlatform) -> None:
    """Return when every message was delivered, charged, counted and told to its business.

    Raises LocalError after minutes.
    """
    deadline = time.perf_counter() + SETTLED_SECONDS_MAX
    for service, statement in _UNDONE:
        while await _count(platform, service, statement):
            await _pause(service, deadline)
    told = await _count(platform, "messaging", "SELECT count(*) FROM messages")
    while await _count(platform, "edge", "SELECT count(*) FROM events") < told:
        await _pause("edge", deadline)


async def _count(platform: LocalPlatform, service: str, statement: str) -> int:
    connection = await asyncpg.connect(platform.database_url(service))
    try:
        return int(await connection.fetchval(statement))
    finally:
        await connection.close()


async def _pause(service: str, deadline: float) -> None:
    if time.perf_counter() > deadline:
        raise LocalError(f"{service} did not come to the end of its work")
    await asyncio.sleep(0.2)
