"""Owns the rows of what people decided about businesses, and the ledger of their decisions."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.kit.database import Connection
from services.policy.domain.messages import Decided, Decision, Pair, Preference


async def lock(connection: Connection, pair: Pair, now: datetime) -> Preference:
    """What was decided, nothing yet included. Others that lock it wait for this transaction."""
    await connection.execute(
        """
        INSERT INTO preferences (person_id, business_id, update_time)
        VALUES ($1, $2, $3)
        ON CONFLICT (person_id, business_id) DO NOTHING
        """,
        pair.person_id,
        pair.business_id,
        now,
    )
    row = await connection.fetchrow(
        """
        SELECT marketing_consent, blocked
        FROM preferences
        WHERE person_id = $1 AND business_id = $2
        FOR NO KEY UPDATE
        """,
        pair.person_id,
        pair.business_id,
    )
    assert row is not None
    return Preference(row["marketing_consent"], row["blocked"])


async def put(
    connection: Connection,
    pair: Pair,
    preference: Preference,
    decision: Decision,
    device_id: UUID,
    now: datetime,
) -> None:
    """Let this be the preference, and remember the decision that made it so."""
    await connection.execute(
        """
        UPDATE preferences
        SET marketing_consent = $3, blocked = $4, update_time = $5
        WHERE person_id = $1 AND business_id = $2
        """,
        pair.person_id,
        pair.business_id,
        preference.marketing_consent,
        preference.blocked,
        now,
    )
    await connection.execute(
        """
        INSERT INTO decisions (person_id, business_id, device_id, decision, decide_time)
        VALUES ($1, $2, $3, $4, $5)
        """,
        pair.person_id,
        pair.business_id,
        device_id,
        decision.value,
        now,
    )


async def list_page(
    connection: Connection, person_id: UUID, after: UUID | None, rows_max: int
) -> list[Decided]:
    """At most so many preferences of a person, by business, after this one."""
    rows = await connection.fetch(
        """
        SELECT business_id, marketing_consent, blocked, update_time
        FROM preferences
        WHERE person_id = $1 AND ($2::uuid IS NULL OR business_id > $2)
        ORDER BY business_id
        LIMIT $3
        """,
        person_id,
        after,
        rows_max,
    )
    return [
        Decided(
            row["business_id"],
            Preference(row["marketing_consent"], row["blocked"]),
            row["update_time"],
        )
        for row in rows
    ]
