"""Owns the rows of ends: their long-term keys, and the one-time keys that begin sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.identity.domain.ends import (
    CLAIMS_MAX,
    CLAIMS_PERIOD,
    ONE_TIME_KEYS_MAX,
    EndKeys,
    KeyBundle,
    PublishedKeys,
    SignedKey,
)
from services.kit.database import Connection

EndKind = Literal["device", "edge"]

_SWEEP_ROWS_MAX = 10_000


async def insert_end(
    connection: Connection,
    kind: EndKind,
    owner_id: UUID,
    end_id: UUID,
    keys: PublishedKeys,
    fallback_key: SignedKey,
    now: datetime,
) -> bool:
    """Whether it was inserted: not if the owner has this end already. One-time keys are apart."""
    status = await connection.execute(
        """
        INSERT INTO ends
            (owner_id, end_id, kind, ed25519_key, curve25519_key, identity_key_signature,
             fallback_key, fallback_key_signature, create_time)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (owner_id, end_id) DO NOTHING
        """,
        owner_id,
        end_id,
        kind,
        keys.ed25519_key,
        keys.identity_key.public_key,
        keys.identity_key.signature,
        fallback_key.public_key,
        fallback_key.signature,
        now,
    )
    return status == "INSERT 0 1"


async def get_end(connection: Connection, owner_id: UUID, end_id: UUID) -> EndKeys | None:
    """Of an end that is not revoked."""
    row = await connection.fetchrow(
        """
        SELECT end_id, curve25519_key, ed25519_key
        FROM ends
        WHERE owner_id = $1 AND end_id = $2 AND revoke_time IS NULL
        """,
        owner_id,
        end_id,
    )
    return EndKeys(**row) if row else None


async def lock_end(connection: Connection, owner_id: UUID, end_id: UUID) -> EndKeys | None:
    """The same; others that lock it wait until this transaction ends."""
    row = await connection.fetchrow(
        """
        SELECT end_id, curve25519_key, ed25519_key
        FROM ends
        WHERE owner_id = $1 AND end_id = $2 AND revoke_time IS NULL
        FOR NO KEY UPDATE
        """,
        owner_id,
        end_id,
    )
    return EndKeys(**row) if row else None


async def list_ends(
    connection: Connection, kind: EndKind, owner_ids: Sequence[UUID]
) -> dict[UUID, list[EndKeys]]:
    """The ends of each owner that are not revoked, oldest first. Owners without any are absent."""
    rows = await connection.fetch(
        """
        SELECT owner_id, end_id, curve25519_key, ed25519_key
        FROM ends
        WHERE owner_id = ANY($1::uuid[]) AND kind = $2 AND revoke_time IS NULL
        ORDER BY create_time, end_id
        """,
        owner_ids,
        kind,
    )
    ends: dict[UUID, list[EndKeys]] = {}
    for owner_id, *keys in rows:
        ends.setdefault(owner_id, []).append(EndKeys(*keys))
    return ends


async def count_ends(connection: Connection, owner_id: UUID) -> int:
    """How many of the owner's ends are not revoked."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM ends WHERE owner_id = $1 AND revoke_time IS NULL", owner_id
    )
    return count


async def revoke_end(connection: Connection, owner_id: UUID, end_id: UUID, now: datetime) -> bool:
    """Revoke it if it is there, and forget its one-time keys; whether it is there."""
    revoked = await connection.fetchval(
        """
        UPDATE ends SET revoke_time = coalesce(revoke_time, $3)
        WHERE owner_id = $1 AND end_id = $2
        RETURNING true
        """,
        owner_id,
        end_id,
        now,
    )
    await connection.execute(
        "DELETE FROM one_time_keys WHERE owner_id = $1 AND end_id = $2", owner_id, end_id
    )
    return revoked is not None


async def set_fallback_key(
    connection: Connection, owner_id: UUID, end_id: UUID, fallback_key: SignedKey
) -> None:
    """Give out this fallback key from now on."""
    await connection.execute(
        """
        UPDATE ends SET fallback_key = $3, fallback_key_signature = $4
        WHERE owner_id = $1 AND end_id = $2
        """,
        owner_id,
        end_id,
        fallback_key.public_key,
        fallback_key.signature,
    )


async def add_one_time_keys(
    connection: Connection,
    owner_id: UUID,
    end_id: UUID,
    keys: Sequence[SignedKey],
    now: datetime,
) -> int:
    """Add those that were not published before, while there is room; how many are left to claim.

    The caller holds the lock of the end, so the count is right.
    """
    left: int = await connection.fetchval(
        """
        WITH present AS (
            SELECT count(*) AS keys FROM one_time_keys
            WHERE owner_id = $1 AND end_id = $2 AND claim_time IS NULL
        ), added AS (
            INSERT INTO one_time_keys (owner_id, end_id, public_key, signature, publish_time)
            SELECT $1, $2, fresh.public_key, fresh.signature, $5
            FROM unnest($3::bytea[], $4::bytea[]) WITH ORDINALITY
                AS fresh (public_key, signature, position)
            ORDER BY position
            LIMIT (SELECT greatest($6 - keys, 0) FROM present)
            ON CONFLICT DO NOTHING
            RETURNING true
        )
        SELECT (SELECT keys FROM present) + (SELECT count(*) FROM added)
        """,
        owner_id,
        end_id,
        [key.public_key for key in keys],
        [key.signature for key in keys],
        now,
        ONE_TIME_KEYS_MAX,
    )
    return left


# Claims are one statement for any number of ends. `counted` is in order of the ends, so that two
# claims that meet lock in the same order. `FOR UPDATE SKIP LOCKED` takes keys that nobody else is
# taking at the moment, and looks at them again after locking: no key goes to two.
_CLAIM = """
WITH wanted AS (
    SELECT * FROM ends
    WHERE $6::uuid IS NULL AND end_id = ANY($1::uuid[])
        AND kind = 'device' AND revoke_time IS NULL
    UNION ALL
    SELECT * FROM ends
    WHERE owner_id = $6 AND end_id = ANY($1::uuid[])
        AND kind = 'edge' AND revoke_time IS NULL
), counted AS (
    INSERT INTO key_claims AS earlier (party_id, owner_id, end_id, since, claims)
    SELECT $2, owner_id, end_id, $3, 1 FROM wanted ORDER BY owner_id, end_id
    ON CONFLICT (party_id, owner_id, end_id) DO UPDATE SET
        since = CASE WHEN earlier.since <= $4 THEN $3 ELSE earlier.since END,
        claims = CASE WHEN earlier.since <= $4 THEN 1 ELSE earlier.claims + 1 END
    RETURNING owner_id, end_id, claims
), picked AS MATERIALIZED (
    SELECT one.owner_id, one.end_id, one.public_key
    FROM counted CROSS JOIN LATERAL (
        SELECT owner_id, end_id, public_key FROM one_time_keys
        WHERE owner_id = counted.owner_id AND end_id = counted.end_id AND claim_time IS NULL
        ORDER BY publish_time
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    ) AS one
    WHERE counted.claims <= $5
), claimed AS (
    UPDATE one_time_keys AS taken SET claim_time = $3
    FROM picked
    WHERE taken.owner_id = picked.owner_id AND taken.end_id = picked.end_id
        AND taken.public_key = picked.public_key
    RETURNING taken.owner_id, taken.end_id, taken.public_key, taken.signature
)
SELECT wanted.end_id, curve25519_key, ed25519_key, identity_key_signature,
    coalesce(claimed.public_key, fallback_key) AS session_key,
    coalesce(claimed.signature, fallback_key_signature) AS session_key_signature,
    claimed.public_key IS NULL AS is_fallback
FROM wanted
LEFT JOIN claimed ON claimed.owner_id = wanted.owner_id AND claimed.end_id = wanted.end_id
"""


async def claim_bundles(
    connection: Connection,
    end_ids: Sequence[UUID],
    party_id: UUID,
    now: datetime,
    *,
    edges_of: UUID | None = None,
) -> list[KeyBundle]:
    """A bundle for each of the ends that exists and is not revoked: people's devices, or the edges
    of the business `edges_of`. `party_id` is the business or the person that claims.
    """
    rows = await connection.fetch(
        _CLAIM, end_ids, party_id, now, now - CLAIMS_PERIOD, CLAIMS_MAX, edges_of
    )
    return [
        KeyBundle(
            end=EndKeys(row["end_id"], row["curve25519_key"], row["ed25519_key"]),
            identity_key_signature=row["identity_key_signature"],
            session_key=SignedKey(row["session_key"], row["session_key_signature"]),
            fallback=row["is_fallback"],
        )
        for row in rows
    ]


async def sweep(connection: Connection, keys_before: datetime, claims_before: datetime) -> int:
    """Delete one-time keys that were claimed and counts that began before then, at most 10,000 of a
    kind; how many rows that were.
    """
    keys = await connection.execute(
        """
        DELETE FROM one_time_keys
        WHERE (owner_id, end_id, public_key) IN (
            SELECT owner_id, end_id, public_key FROM one_time_keys
            WHERE claim_time < $1
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        )
        """,
        keys_before,
        _SWEEP_ROWS_MAX,
    )
    claims = await connection.execute(
        """
        DELETE FROM key_claims
        WHERE (party_id, owner_id, end_id) IN (
            SELECT party_id, owner_id, end_id FROM key_claims
            WHERE since < $1
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        )
        """,
        claims_before,
        _SWEEP_ROWS_MAX,
    )
    return sum(int(status.split()[1]) for status in (keys, claims))
