"""Owns the rows of replicas: which process runs which models, as each says itself.

All times are the database's, so that the clocks of machines need not agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from services.kit.database import Connection
from services.policy.domain.models import ReplicaState

# A replica that has not been heard of for so long is gone.
SEEN_WITHIN_SECONDS: Final = 10.0


async def put(
    connection: Connection,
    replica_id: UUID,
    *,
    host: str,
    configured_version: str,
    live_version: str,
    shadow_version: str,
    ready_versions: Sequence[str],
    refusals: Mapping[str, str],
) -> None:
    """Say what this replica runs now, and that it lives."""
    await connection.execute(
        """
        INSERT INTO model_replicas (
            replica_id, host, configured_version, live_version, shadow_version, ready_versions,
            refusals, start_time, seen_time
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, now(), now())
        ON CONFLICT (replica_id) DO UPDATE
        SET live_version = excluded.live_version,
            shadow_version = excluded.shadow_version,
            ready_versions = excluded.ready_versions,
            refusals = excluded.refusals,
            seen_time = excluded.seen_time
        """,
        replica_id,
        host,
        configured_version,
        live_version,
        shadow_version,
        ready_versions,
        refusals,
    )


async def list_living(connection: Connection) -> list[ReplicaState]:
    """The replicas that were heard of lately, the oldest first."""
    rows = await connection.fetch(
        """
        SELECT replica_id, host, configured_version, live_version, shadow_version, ready_versions,
               refusals, start_time, seen_time
        FROM model_replicas
        WHERE seen_time > now() - make_interval(secs => $1)
        ORDER BY start_time, replica_id
        """,
        SEEN_WITHIN_SECONDS,
    )
    return [ReplicaState(**{**row, "ready_versions": tuple(row["ready_versions"])}) for row in rows]


async def delete(connection: Connection, replica_id: UUID) -> None:
    """This replica goes."""
    await connection.execute("DELETE FROM model_replicas WHERE replica_id = $1", replica_id)


async def sweep(connection: Connection) -> None:
    """Forget replicas that went without a word, an hour ago or longer."""
    await connection.execute(
        "DELETE FROM model_replicas WHERE seen_time < now() - interval '1 hour'"
    )
