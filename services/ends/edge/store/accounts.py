"""The table `businesses`: the accounts of the businesses that this edge stands for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from services.ends.edge.store.versions import VersionConflict
from services.kit.database import Connection


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """A business's Olm account as stored."""

    pickle: str = field(repr=False)
    version: int
    published: bool


async def find(connection: Connection, business_id: str) -> StoredAccount | None:
    """A business's account, or None if there is none."""
    row = await connection.fetchrow(
        "SELECT account, version, publish_time IS NOT NULL AS published"
        " FROM businesses WHERE business_id = $1",
        business_id,
    )
    return StoredAccount(row["account"], row["version"], row["published"]) if row else None


async def add(connection: Connection, business_id: str, pickle: str) -> None:
    """Inserts an account, unless there is one."""
    await connection.execute(
        "INSERT INTO businesses (business_id, account) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        business_id,
        pickle,
    )


async def save(connection: Connection, business_id: str, pickle: str, version: int) -> None:
    """Replaces an account that was read at `version`. Raises VersionConflict."""
    status = await connection.execute(
        "UPDATE businesses SET account = $2, version = version + 1"
        " WHERE business_id = $1 AND version = $3",
        business_id,
        pickle,
        version,
    )
    if status != "UPDATE 1":
        raise VersionConflict


async def set_publish_time(connection: Connection, business_id: str, time: datetime) -> None:
    """Notes that identity has the account's keys."""
    await connection.execute(
        "UPDATE businesses SET publish_time = $2 WHERE business_id = $1", business_id, time
    )


async def known(connection: Connection, business_ids: Iterable[str]) -> set[str]:
    """Those of the businesses that have an account here."""
    rows = await connection.fetch(
        "SELECT business_id FROM businesses WHERE business_id = ANY($1::uuid[])",
        list(business_ids),
    )
    return {str(row["business_id"]) for row in rows}
