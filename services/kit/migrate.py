"""Owns the way a database's schema moves forward: numbered SQL files, each applied once.

A service keeps its own in `migrations/NNNN_name.sql`; those of the kit (outbox, parked events) come
first and count by themselves. Files are forward-only: what was applied is never edited, and must
run while the previous release still serves.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from dataclasses import dataclass
from importlib import resources

import asyncpg

from services.kit.database import Database

logger = logging.getLogger(__name__)

KIT = "services.kit"
FILE_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
# Any number will do, as long as nobody else in the database locks on it: "hudhud" in ASCII.
LOCK = 0x687564687564
ATTEMPTS_MAX = 10

CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    package text NOT NULL,
    number integer NOT NULL,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    apply_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (package, number)
)
"""


class MigrationError(Exception):
    """The files and the database disagree; the message says what to do."""


@dataclass(frozen=True)
class Migration:
    """One SQL file."""

    package: str
    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.sql.encode()).digest()

    def __str__(self) -> str:
        return f"{self.package} {self.number:04}_{self.name}"


async def migrate(database: Database, package: str) -> list[str]:
    """Bring the database up to the newest migration of the kit and of `package`.

    `package` is dotted, such as `services.messaging`. Several processes may do this at once: one
    works, the others wait and find it done. Returns what this call applied, such as
    `["services.messaging 0001_mailboxes"]`. Raises `MigrationError`.
    """
    plans = [read_migrations(KIT)]
    if package != KIT:
        plans.append(read_migrations(package))
    connection = await database.connect("migrate")
    try:
        # Waits for its turn as long as it takes; the lock goes with the connection.
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        # A change of a table waits for its readers, and new readers wait for it: better to give
        # way soon and come again than to hold up the release that still serves.
        await connection.execute("SET lock_timeout = '2s'")
        await connection.execute(CREATE_TABLE)
        applied: list[str] = []
        for plan in plans:
            applied += await _apply(connection, plan)
        return applied
    finally:
        await connection.close()


def read_migrations(package: str) -> list[Migration]:
    """The package's migrations in order. Raises `MigrationError` for a bad name or a gap."""
    folder = resources.files(package) / "migrations"
    if not folder.is_dir():
        return []
    migrations = []
    for file in folder.iterdir():
        if not file.name.endswith(".sql"):
            continue
        match = FILE_NAME.match(file.name)
        if match is None:
            raise MigrationError(
                f"{package}/migrations/{file.name}: name it like 0001_what_it_adds.sql"
            )
        migrations.append(
            Migration(package, int(match[1]), match[2], file.read_text(encoding="utf-8"))
        )
    migrations.sort(key=lambda migration: (migration.number, migration.name))
    for expected, migration in enumerate(migrations, start=1):
        if migration.number != expected:
            problem = "is there twice" if migration.number < expected else "is missing"
            number = min(migration.number, expected)
            raise MigrationError(f"{package}/migrations: number {number:04} {problem}")
    return migrations


async def _apply(
    connection: asyncpg.Connection[asyncpg.Record], plan: list[Migration]
) -> list[str]:
    if not plan:
        return []
    rows = await connection.fetch(
        "SELECT number, name, sha256 FROM schema_migrations WHERE package = $1 ORDER BY number",
        plan[0].package,
    )
    for row, migration in zip(rows, plan, strict=False):
        if (row["number"], row["sha256"]) != (migration.number, migration.sha256):
            raise MigrationError(
                f"{migration} was applied and has been edited since. Put it back as it was"
                " (version control knows) and write the change as a new migration."
            )
    if len(rows) > len(plan):
        # A newer release has been here; migrations are written so that this one still serves.
        logger.warning("the database is ahead: it has %s", rows[-1]["name"])
    for migration in plan[len(rows) :]:
        await _apply_one(connection, migration)
    return [str(migration) for migration in plan[len(rows) :]]


async def _apply_one(connection: asyncpg.Connection[asyncpg.Record], migration: Migration) -> None:
    for attempt in range(1, ATTEMPTS_MAX + 1):
        logger.info("applying %s", migration)
        try:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(
                    "INSERT INTO schema_migrations (package, number, name, sha256)"
                    " VALUES ($1, $2, $3, $4)",
                    migration.package,
                    migration.number,
                    migration.name,
                    migration.sha256,
                )
            return
        except asyncpg.LockNotAvailableError as error:
            logger.warning("%s: a table it changes is in use (%d)", migration, attempt)
            if attempt == ATTEMPTS_MAX:
                raise MigrationError(
                    f"{migration} left nothing behind: a table it changes was in use every time."
                    " Look in pg_stat_activity for a transaction that does not end."
                ) from error
        except asyncpg.PostgresError as error:
            raise MigrationError(f"{migration} failed and left nothing behind: {error}") from error
        await asyncio.sleep(0.5)
