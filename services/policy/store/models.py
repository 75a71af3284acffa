"""Owns the rows of models: what was uploaded, what was done, and what every replica should do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from services.kit.database import Connection
from services.policy.domain.models import (
    Act,
    Change,
    ChangeKind,
    KeptModel,
    Release,
    Roles,
)

_SELECT_CHANGES = """
    SELECT change_id, kind, version, previous_version, previous_change_id, share_percent, operator,
           note, detail, create_time
    FROM model_changes
"""
_SELECT_ROLES = """
    SELECT live_version, live_change_id, shadow_version, shadow_change_id, shadow_share_percent,
           CASE WHEN candidate_expire_time > now() THEN candidate_id END AS candidate_id,
           candidate_version
    FROM model_roles
"""


_SELECT_MODELS = """
    SELECT upload, version, digest, size_bytes, train_time, language_codes, card, operator,
           create_time,
           NOT EXISTS (SELECT FROM model_pieces WHERE model_pieces.version = models.version)
               AS swept
    FROM models
"""


async def insert(connection: Connection, model: KeptModel, manifest: bytes) -> None:
    """Keep what is known of a model that was not there. The caller holds the lock of the roles."""
    release = model.release
    await connection.execute(
        """
        INSERT INTO models (
            version, digest, manifest, size_bytes, train_time, language_codes, card, operator,
            create_time
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        release.version,
        release.digest,
        manifest,
        model.size_bytes,
        release.train_time,
        list(release.language_codes),
        release.card,
        model.operator,
        model.create_time,
    )


async def put_artifact(connection: Connection, version: str, pieces: Iterable[bytes]) -> None:
    """Keep the artifact of a model that has none. The caller holds the lock of the roles."""
    for number, piece in enumerate(pieces):
        await connection.execute(
            "INSERT INTO model_pieces (version, number, data) VALUES ($1, $2, $3)",
            version,
            number,
            piece,
        )


async def get(connection: Connection, version: str) -> KeptModel | None:
    """The model of this version."""
    row = await connection.fetchrow(f"{_SELECT_MODELS} WHERE version = $1", version)
    return _model(row) if row else None


async def get_manifest(connection: Connection, version: str) -> bytes | None:
    """The manifest of this version, as it was uploaded."""
    manifest: bytes | None = await connection.fetchval(
        "SELECT manifest FROM models WHERE version = $1", version
    )
    return manifest


async def pieces(connection: Connection, version: str) -> AsyncIterator[bytes]:
    """The artifact of this version, in order."""
    number = 0
    while True:
        piece: bytes | None = await connection.fetchval(
            "SELECT data FROM model_pieces WHERE version = $1 AND number = $2", version, number
        )
        if piece is None:
            return
        yield piece
        number += 1


async def sweep_artifacts(
    connection: Connection, before: datetime, rollbacks_max: int
) -> list[str]:
    """Delete the artifacts of models with which nothing was done since `before`, but not of those
    that have a role, nor of those that so many rollbacks one after another would lead to; the
    versions. The caller holds the lock of the roles.
    """
    rows = await connection.fetch(
        """
        WITH RECURSIVE road AS (
            SELECT previous_version, previous_change_id, 1 AS rollbacks
            FROM model_roles
            JOIN model_changes ON change_id = live_change_id
            UNION ALL
            SELECT earlier.previous_version, earlier.previous_change_id, rollbacks + 1
            FROM road
            JOIN model_changes AS earlier ON earlier.change_id = road.previous_change_id
            WHERE rollbacks < $2
        ), needed AS (
            SELECT unnest(ARRAY[live_version, shadow_version, candidate_version]) AS version
            FROM model_roles
            UNION
            SELECT previous_version FROM road
            UNION
            SELECT version FROM model_changes WHERE create_time >= $1
        ), swept AS (
            DELETE FROM model_pieces
            WHERE version NOT IN (SELECT version FROM needed)
            RETURNING version
        )
        SELECT DISTINCT version FROM swept
        """,
        before,
        rollbacks_max,
    )
    return [row["version"] for row in rows]


async def list_page(
    connection: Connection, before: int | None, rows_max: int
) -> list[tuple[int, KeptModel]]:
    """At most so many models with the numbers of their uploads, newest first."""
    rows = await connection.fetch(
        f"""
        {_SELECT_MODELS}
        WHERE $1::bigint IS NULL OR upload < $1
        ORDER BY upload DESC
        LIMIT $2
        """,
        before,
        rows_max,
    )
    return [(row["upload"], _model(row)) for row in rows]


async def record(
    connection: Connection,
    kind: ChangeKind,
    version: str,
    act: Act,
    *,
    previous_version: str = "",
    previous_change_id: int | None = None,
    share_percent: int = 100,
    detail: str = "",
) -> Change:
    """Write down what is done; the change as it is recorded."""
    row = await connection.fetchrow(
        """
        INSERT INTO model_changes (
            kind, version, previous_version, previous_change_id, share_percent, operator, note,
            detail, create_time
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        RETURNING change_id, kind, version, previous_version, previous_change_id, share_percent,
                  operator, note, detail, create_time
        """,
        int(kind),
        version,
        previous_version,
        previous_change_id,
        share_percent,
        act.operator,
        act.note,
        detail,
        act.time,
    )
    return _change(row)


async def get_change(connection: Connection, change_id: int) -> Change:
    """The change of this number, which there is."""
    row = await connection.fetchrow(f"{_SELECT_CHANGES} WHERE change_id = $1", change_id)
    return _change(row)


async def last_change(connection: Connection, version: str, kind: ChangeKind) -> Change | None:
    """The last change of this kind to a model."""
    row = await connection.fetchrow(
        f"""
        {_SELECT_CHANGES}
        WHERE version = $1 AND kind = $2
        ORDER BY change_id DESC
        LIMIT 1
        """,
        version,
        int(kind),
    )
    return _change(row) if row else None


async def list_changes(connection: Connection, before: int | None, rows_max: int) -> list[Change]:
    """At most so many changes, newest first."""
    rows = await connection.fetch(
        f"""
        {_SELECT_CHANGES}
        WHERE $1::bigint IS NULL OR change_id < $1
        ORDER BY change_id DESC
        LIMIT $2
        """,
        before,
        rows_max,
    )
    return [_change(row) for row in rows]


async def get_roles(connection: Connection) -> Roles:
    """What every replica should do. A candidate that expired is none."""
    return _roles(await connection.fetchrow(_SELECT_ROLES))


async def lock_roles(connection: Connection) -> Roles:
    """The same; until the transaction ends, nobody else changes it."""
    return _roles(await connection.fetchrow(f"{_SELECT_ROLES} FOR UPDATE"))


async def put_shadow(connection: Connection, change: Change | None) -> None:
    """Have the model of this change be in shadow; None: no model."""
    await connection.execute(
        """
        UPDATE model_roles
        SET shadow_version = $1, shadow_change_id = $2, shadow_share_percent = $3
        """,
        change.version if change else "",
        change.change_id if change else None,
        change.share_percent if change else 100,
    )


async def put_share(connection: Connection, share_percent: int) -> None:
    """Judge so many batches out of a hundred twice."""
    await connection.execute("UPDATE model_roles SET shadow_share_percent = $1", share_percent)


async def put_live(connection: Connection, version: str, live_change_id: int | None) -> None:
    """Have this model decide. No candidate is left."""
    await connection.execute(
        """
        UPDATE model_roles
        SET live_version = $1, live_change_id = $2, candidate_id = NULL, candidate_version = '',
            candidate_expire_time = NULL
        """,
        version,
        live_change_id,
    )


async def put_candidate(
    connection: Connection, candidate_id: UUID, version: str, seconds: float
) -> None:
    """Have every replica load this model beside the live one, for so long."""
    await connection.execute(
        """
        UPDATE model_roles
        SET candidate_id = $1, candidate_version = $2,
            candidate_expire_time = now() + make_interval(secs => $3)
        """,
        candidate_id,
        version,
        seconds,
    )


async def renew_candidate(connection: Connection, candidate_id: UUID, seconds: float) -> None:
    """Have this candidate waited for so much longer, if it still is."""
    await connection.execute(
        """
        UPDATE model_roles
        SET candidate_expire_time = now() + make_interval(secs => $2)
        WHERE candidate_id = $1 AND candidate_expire_time > now()
        """,
        candidate_id,
        seconds,
    )


async def drop_candidate(connection: Connection, candidate_id: UUID) -> None:
    """Have nobody wait for this candidate any more."""
    await connection.execute(
        """
        UPDATE model_roles
        SET candidate_id = NULL, candidate_version = '', candidate_expire_time = NULL
        WHERE candidate_id = $1
        """,
        candidate_id,
    )


def _model(row: Any) -> KeptModel:
    return KeptModel(
        Release(
            row["version"],
            row["digest"],
            row["train_time"],
            tuple(row["language_codes"]),
            row["card"],
        ),
        row["size_bytes"],
        row["operator"],
        row["create_time"],
        row["swept"],
    )


def _roles(row: Any) -> Roles:
    return Roles(**row)


def _change(row: Any) -> Change:
    return Change(
        row["change_id"],
        ChangeKind(row["kind"]),
        row["version"],
        row["previous_version"],
        row["previous_change_id"],
        row["share_percent"],
        row["detail"],
        Act(row["operator"], row["note"], row["create_time"]),
    )
