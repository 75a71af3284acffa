"""Owns the rows of businesses, their API keys and the operator's credential."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from services.identity.domain.businesses import ApiKey, Business
from services.kit.database import Connection

# Any number will do, as long as nobody else in the database locks on it: "operator" in ASCII.
_OPERATOR_LOCK = 0x6F70657261746F72


async def insert_business(connection: Connection, business: Business) -> bool:
    """Whether it was inserted: not if there is one of this id already."""
    status = await connection.execute(
        """
        INSERT INTO businesses (business_id, display_name, localized_display_names, create_time)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (business_id) DO NOTHING
        """,
        business.business_id,
        business.display_name,
        dict(business.localized_display_names),
        business.create_time,
    )
    return status == "INSERT 0 1"


async def get_business(connection: Connection, business_id: UUID) -> Business | None:
    """The business of this id, if there is one."""
    row = await connection.fetchrow(
        """
        SELECT business_id, display_name, localized_display_names, create_time
        FROM businesses
        WHERE business_id = $1
        """,
        business_id,
    )
    return Business(**row) if row else None


async def lock_business(connection: Connection, business_id: UUID) -> bool:
    """Whether there is one. Others that lock it wait until this transaction ends."""
    found = await connection.fetchval(
        "SELECT true FROM businesses WHERE business_id = $1 FOR NO KEY UPDATE", business_id
    )
    return found is not None


async def count_good_api_keys(connection: Connection, business_id: UUID) -> int:
    """How many keys of the business are not revoked."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM api_keys WHERE business_id = $1 AND revoke_time IS NULL",
        business_id,
    )
    return count


async def insert_api_key(connection: Connection, api_key: ApiKey, secret_hash: str) -> None:
    """Add a key with the hash of its secret."""
    await connection.execute(
        """
        INSERT INTO api_keys (api_key_id, business_id, label, secret_hash, create_time)
        VALUES ($1, $2, $3, $4, $5)
        """,
        api_key.api_key_id,
        api_key.business_id,
        api_key.label,
        secret_hash,
        api_key.create_time,
    )


async def list_api_keys(
    connection: Connection, business_id: UUID, before: UUID | None, count: int
) -> list[ApiKey]:
    """At most `count` keys, newest first, that are older than `before`."""
    rows = await connection.fetch(
        """
        SELECT api_key_id, business_id, label, create_time, revoke_time
        FROM api_keys
        WHERE business_id = $1 AND ($2::uuid IS NULL OR api_key_id < $2)
        ORDER BY api_key_id DESC
        LIMIT $3
        """,
        business_id,
        before,
        count,
    )
    return [ApiKey(**row) for row in rows]


async def revoke_api_key(
    connection: Connection, business_id: UUID, api_key_id: UUID, now: datetime
) -> ApiKey | None:
    """The key as it is now; None if the business has none of this id."""
    row = await connection.fetchrow(
        """
        UPDATE api_keys
        SET revoke_time = coalesce(revoke_time, $3)
        WHERE business_id = $1 AND api_key_id = $2
        RETURNING api_key_id, business_id, label, create_time, revoke_time
        """,
        business_id,
        api_key_id,
        now,
    )
    return ApiKey(**row) if row else None


async def get_api_key(connection: Connection, api_key_id: UUID) -> tuple[ApiKey, str] | None:
    """A key with its hash."""
    row = await connection.fetchrow(
        """
        SELECT api_key_id, business_id, label, create_time, revoke_time, secret_hash
        FROM api_keys
        WHERE api_key_id = $1
        """,
        api_key_id,
    )
    if row is None:
        return None
    fields: dict[str, Any] = dict(row)
    secret_hash = fields.pop("secret_hash")
    return ApiKey(**fields), secret_hash


async def lock_operator_credential(connection: Connection) -> None:
    """Let one replica at a time decide what the credential is."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _OPERATOR_LOCK)


async def get_operator_credential_hash(connection: Connection) -> str | None:
    """The hash of the credential, if there is one yet."""
    credential_hash: str | None = await connection.fetchval(
        "SELECT credential_hash FROM operator_credential"
    )
    return credential_hash


async def put_operator_credential_hash(
    connection: Connection, credential_hash: str, now: datetime
) -> None:
    """Let the credential of this hash be the one and only."""
    await connection.execute(
        """
        INSERT INTO operator_credential (credential_hash, update_time)
        VALUES ($1, $2)
        ON CONFLICT (is_only) DO UPDATE
        SET credential_hash = excluded.credential_hash, update_time = excluded.update_time
        """,
        credential_hash,
        now,
    )
