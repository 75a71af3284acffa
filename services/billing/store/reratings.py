"""Owns the rows of re-ratings: what was proposed, and what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.billing.domain.corrections import Proposal, Rerating, ReratingItem, ReratingState
from services.billing.domain.money import Money
from services.kit.database import Connection


async def hold_rerating(connection: Connection, rerating_id: UUID) -> None:
    """Let nobody else decide on this re-rating until the transaction ends."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"rerating {rerating_id}"
    )


async def find_rerating(connection: Connection, rerating_id: UUID) -> Rerating | None:
    """The re-rating of this id, with its sums."""
    row = await connection.fetchrow(
        """
        SELECT currency_code, from_time, to_time, sha256, reason, reratings.create_time,
            coalesce(decision, 'proposed') AS state, count(place) AS item_count,
            coalesce(sum(charged_micros), 0)::bigint AS charged,
            coalesce(sum(corrected_micros), 0)::bigint AS corrected
        FROM reratings
        LEFT JOIN rerating_decisions USING (rerating_id)
        LEFT JOIN rerating_items USING (rerating_id)
        WHERE rerating_id = $1
        GROUP BY rerating_id, decision
        """,
        rerating_id,
    )
    if row is None:
        return None
    currency_code = row["currency_code"]
    return Rerating(
        Proposal(
            rerating_id,
            currency_code,
            row["from_time"],
            row["to_time"],
            row["sha256"],
            row["reason"],
        ),
        ReratingState(row["state"]),
        row["item_count"],
        Money(currency_code, row["charged"]),
        Money(currency_code, row["corrected"]),
        row["create_time"],
    )


async def insert_rerating(connection: Connection, proposal: Proposal, now: datetime) -> None:
    """Write a proposal down, without its items."""
    await connection.execute(
        """
        INSERT INTO reratings
            (rerating_id, currency_code, from_time, to_time, sha256, reason, create_time)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        proposal.rerating_id,
        proposal.currency_code,
        proposal.from_time,
        proposal.to_time,
        proposal.sha256,
        proposal.reason,
        now,
    )


async def insert_items(
    connection: Connection, rerating_id: UUID, items: Sequence[ReratingItem]
) -> None:
    """Add messages to a proposal."""
    await connection.execute(
        """
        INSERT INTO rerating_items
            (rerating_id, place, business_id, message_id, entry_id, charged_micros,
             corrected_micros)
        SELECT $1, * FROM unnest(
            $2::bigint[], $3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[]
        )
        """,
        rerating_id,
        [item.place for item in items],
        [item.business_id for item in items],
        [item.message_id for item in items],
        [item.entry_id for item in items],
        [item.charged_micros for item in items],
        [item.corrected_micros for item in items],
    )


async def read_items(
    connection: Connection, rerating_id: UUID, after: int, count: int
) -> list[ReratingItem]:
    """At most `count` items beyond the place `after`."""
    rows = await connection.fetch(
        """
        SELECT place, business_id, message_id, entry_id, charged_micros, corrected_micros
        FROM rerating_items
        WHERE rerating_id = $1 AND place > $2
        ORDER BY place
        LIMIT $3
        """,
        rerating_id,
        after,
        count,
    )
    return [ReratingItem(*row) for row in rows]


async def insert_decision(
    connection: Connection, rerating_id: UUID, decision: ReratingState, now: datetime
) -> None:
    """Decide on a re-rating, which has to be held, once."""
    await connection.execute(
        """
        INSERT INTO rerating_decisions (rerating_id, decision, create_time) VALUES ($1, $2, $3)
        """,
        rerating_id,
        decision,
        now,
    )


async def businesses_in(connection: Connection, currency_code: str) -> list[UUID]:
    """Every business with an account in this currency."""
    rows = await connection.fetch(
        "SELECT business_id FROM accounts WHERE currency_code = $1 ORDER BY business_id",
        currency_code,
    )
    return [row[0] for row in rows]
