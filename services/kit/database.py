"""Owns the way to PostgreSQL: a pool, transactions that have names, and retries.

A transaction rolls back unless it is left normally. Its label stands in the note of every error
that leaves it and in the log line of a slow one, so that nobody has to guess which one it was.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg
from prometheus_client import Histogram

from services.kit.clock import Clock, SystemClock

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

R = TypeVar("R")
Isolation = Literal["read_committed", "repeatable_read", "serializable"]

logger = logging.getLogger(__name__)

POOL_WAITS = Histogram(
    "hudhud_database_pool_wait_seconds",
    "Waiting for a connection to PostgreSQL",
    buckets=(0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
)

# A server that is starting, restarting or failing over answers with these; so does one whose
# databases are still being made. Everything else (a wrong password, say) will not mend by waiting.
NOT_UP_YET = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.TooManyConnectionsError,
)

# The transaction did nothing wrong and left nothing behind: the same again may succeed.
WORTH_RETRYING = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)


# For a service whose statements find rows by key: a plan made while a table is small, and kept by a
# prepared statement, would read all of it for minutes after it has grown.
FOUND_BY_KEY = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}


class DatabaseUnavailable(Exception):
    """PostgreSQL did not answer in the time it was given."""


class Database:
    """One service's database. Make one with `Database.open`."""

    def __init__(self, pool: Pool, url: str, settings: dict[str, str], clock: Clock) -> None:
        self.pool = pool
        self.clock = clock
        self._url = url
        self._settings = settings
        self.slow_seconds = 0.5

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        name: str = "hudhud",
        connections_min: int = 1,
        connections_max: int = 8,
        statement_timeout_seconds: float = 10.0,
        wait_seconds: float = 60.0,
        postgres_settings: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> Database:
        """Open a pool on `url`, waiting up to `wait_seconds` for a server that is not up yet.

        `name` is the service's: it shows as `application_name` in `pg_stat_activity` and in the
        server's log. `postgres_settings` are set on every connection, `FOUND_BY_KEY` for example.
        Raises `DatabaseUnavailable` when the time is over.
        """
        settings = {
            "application_name": name,
            "statement_timeout": str(int(statement_timeout_seconds * 1000)),
            # A transaction that is open and idle holds locks and keeps dead rows from being
            # cleaned; ours never wait for anybody outside, so idling means that its owner is gone.
            "idle_in_transaction_session_timeout": str(int(statement_timeout_seconds * 2000)),
            # A peer that vanished without a word gives up its locks within half a minute.
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
            "timezone": "UTC",
            **(postgres_settings or {}),
        }
        clock = clock or SystemClock()

        async def open_pool() -> Pool:
            pool: Pool = await asyncpg.create_pool(
                url,
                min_size=connections_min,
                max_size=connections_max,
                command_timeout=statement_timeout_seconds + 5,
                server_settings=settings,
                init=_prepare_connection,
                reset=_reset_connection,
                timeout=5.0,
            )
            return pool

        pool = await _wait_until_up(open_pool, url, wait_seconds, clock)
        return cls(pool, url, settings, clock)

    async def connect(
        self,
        purpose: str,
        *,
        answer_seconds: float | None = None,
        postgres_settings: Mapping[str, str] | None = None,
    ) -> asyncpg.Connection[asyncpg.Record]:
        """Open a connection outside the pool, with no statement timeout, for long-lived work.

        The caller closes it. `purpose` is added to its `application_name`. A statement that has no
        answer within `answer_seconds`, if given, raises `TimeoutError`: the server may be gone
        without a word.
        """
        settings = {
            **self._settings,
            "application_name": f"{self._settings['application_name']}/{purpose}",
            "statement_timeout": "0",
            **(postgres_settings or {}),
        }
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            self._url, server_settings=settings, timeout=5.0, command_timeout=answer_seconds
        )
        await _prepare_connection(connection)
        return connection

    async def close(self, timeout_seconds: float = 10.0) -> None:
        """Close the pool; what still runs gets `timeout_seconds` to end."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.pool.close()
        except TimeoutError:
            logger.warning("transactions still ran after %.0f s; cut off", timeout_seconds)
            self.pool.terminate()

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Connection]:
        """Lend a connection of the pool, and count how long it took to get one."""
        started = time.perf_counter()
        async with self.pool.acquire() as connection:
            POOL_WAITS.observe(time.perf_counter() - started)
            yield connection

    @asynccontextmanager
    async def connection(self, label: str) -> AsyncIterator[Connection]:
        """Lend a connection without a transaction: each statement commits by itself."""
        with _in_transaction(label):
            async with self._lent() as connection:
                yield connection

    @asynccontextmanager
    async def transaction(
        self,
        label: str,
        *,
        isolation: Isolation = "read_committed",
        read_only: bool = False,
    ) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction: committed if left normally, else rolled back."""
        start = self.clock.monotonic()
        with _in_transaction(label):
            async with self._lent() as connection:
                acquired = self.clock.monotonic()
                async with connection.transaction(isolation=isolation, readonly=read_only):
                    yield connection
        end = self.clock.monotonic()
        if end - start > self.slow_seconds:
            logger.warning(
                "slow transaction %s: %.3f s, of which %.3f s waiting for a connection",
                label,
                end - start,
                acquired - start,
            )

    async def run(
        self,
        label: str,
        function: Callable[[Connection], Awaitable[R]],
        *,
        isolation: Isolation = "read_committed",
        attempts_max: int = 5,
    ) -> R:
        """Run `function` in a transaction, again when it deadlocked or could not be serialized.

        `function` may run several times: outside the database it must leave nothing behind.
        """
        for attempt in range(1, attempts_max + 1):
            try:
                async with self.transaction(label, isolation=isolation) as connection:
                    return await function(connection)
            except WORTH_RETRYING as error:
                if attempt == attempts_max:
                    raise
                logger.info("transaction %s, attempt %d: %s", label, attempt, error)
                # Growing and random, so that two that met do not meet again.
                await self.clock.sleep(random.uniform(0.5, 1.5) * 0.005 * 2**attempt)
        raise AssertionError("unreachable")


@contextmanager
def _in_transaction(label: str) -> Iterator[None]:
    """Add the label to an error on its way out."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in transaction {label}")
        raise


async def _prepare_connection(connection: Connection) -> None:
    # asyncpg already gives UUID for uuid, aware datetime for timestamptz and int for bigint.
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
    )


async def _reset_connection(connection: Connection) -> None:
    """Skip the pool's own reset, which costs a round trip for every transaction.

    It would close cursors, unlisten, unlock and reset settings; pooled connections here do none of
    that outside a transaction, and the end of a transaction undoes it.
    """


async def _wait_until_up(
    open_pool: Callable[[], Awaitable[Pool]], url: str, wait_seconds: float, clock: Clock
) -> Pool:
    start = clock.monotonic()
    logged = -5.0
    while True:
        try:
            return await open_pool()
        except NOT_UP_YET as error:
            elapsed = clock.monotonic() - start
            reason = str(error) or type(error).__name__
            if elapsed >= wait_seconds:
                raise DatabaseUnavailable(
                    f"PostgreSQL at {describe(url)} did not answer within {wait_seconds:.0f} s:"
                    f" {reason}"
                ) from error
            if elapsed - logged >= 5.0:
                logged = elapsed
                logger.info(
                    "waiting for PostgreSQL at %s: %s (%.0f of %.0f s)",
                    describe(url),
                    reason,
                    elapsed,
                    wait_seconds,
                )
        await clock.sleep(0.2)


def describe(url: str) -> str:
    """The URL without its password, for people to read."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2] or ",".join(parse_qs(parts.query).get("host", []))
    return f"{place} (database {parts.path.lstrip('/')})"
