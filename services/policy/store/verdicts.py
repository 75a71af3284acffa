"""Owns the rows of verdicts: what was decided about messages, without what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.kit.database import Connection
from services.policy.domain.evidence import Evidence
from services.policy.domain.messages import Category, Fate, MessageKey, Pair, Preference


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about one message."""

    key: MessageKey
    body_digest: bytes
    category: Category
    evidence: tuple[Evidence, ...]  # empty: allowed
    screen_time: datetime
    expire_time: datetime | None  # of the clearance
    fate: Fate = Fate.UNKNOWN
    model_version: str = ""  # that judged it

    def stands(self, now: datetime) -> bool:
        """Whether it is still the answer: not if its clearance ended before it was used."""
        return self.expire_time is None or self.expire_time > now or self.fate is not Fate.UNKNOWN


async def get(connection: Connection, keys: Sequence[MessageKey]) -> dict[MessageKey, Verdict]:
    """The verdicts that there are."""
    rows = await connection.fetch(
        """
        SELECT business_id, message_id, body_digest, category, evidence, screen_time, expire_time,
               fate, model_version
        FROM unnest($1::uuid[], $2::uuid[]) AS asked (business_id, message_id)
        JOIN verdicts USING (business_id, message_id)
        """,
        [key.business_id for key in keys],
        [key.message_id for key in keys],
    )
    verdicts = (_verdict(row) for row in rows)
    return {verdict.key: verdict for verdict in verdicts}


async def get_with_preferences(
    connection: Connection, asked: Sequence[tuple[MessageKey, Pair]]
) -> tuple[dict[MessageKey, Verdict], dict[Pair, Preference]]:
    """The verdicts that there are, and what the people decided about the businesses; a pair about
    which nothing was decided is left out. One question: it is asked for every batch.
    """
    rows = await connection.fetch(
        """
        SELECT asked.business_id, asked.message_id, asked.person_id,
               body_digest, category, evidence, screen_time, expire_time, fate, model_version,
               marketing_consent, blocked
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[])
             AS asked (business_id, message_id, person_id)
        LEFT JOIN verdicts USING (business_id, message_id)
        LEFT JOIN preferences USING (person_id, business_id)
        """,
        [key.business_id for key, _ in asked],
        [key.message_id for key, _ in asked],
        [pair.person_id for _, pair in asked],
    )
    verdicts = [_verdict(row) for row in rows if row["body_digest"] is not None]
    preferences = {
        Pair(row["person_id"], row["business_id"]): Preference(
            row["marketing_consent"], row["blocked"]
        )
        for row in rows
        if row["blocked"] is not None
    }
    return {verdict.key: verdict for verdict in verdicts}, preferences


async def insert(connection: Connection, verdicts: Sequence[Verdict]) -> set[MessageKey]:
    """Keep these; which of them are kept. The others have a verdict already, from somebody who
    screened the same message meanwhile. One whose clearance ended unused gives way.
    """
    rows = await connection.fetch(
        """
        INSERT INTO verdicts (
            business_id, message_id, body_digest, category, evidence, screen_time, expire_time,
            model_version
        )
        SELECT *
        FROM unnest(
            $1::uuid[], $2::uuid[], $3::bytea[], $4::smallint[], $5::jsonb[], $6::timestamptz[],
            $7::timestamptz[], $8::text[]
        )
        ON CONFLICT (business_id, message_id) DO UPDATE
        SET category = excluded.category,
            evidence = excluded.evidence,
            screen_time = excluded.screen_time,
            expire_time = excluded.expire_time,
            model_version = excluded.model_version
        WHERE verdicts.expire_time <= excluded.screen_time
          AND verdicts.fate = 0
          AND verdicts.body_digest = excluded.body_digest
        RETURNING business_id, message_id
        """,
        [verdict.key.business_id for verdict in verdicts],
        [verdict.key.message_id for verdict in verdicts],
        [verdict.body_digest for verdict in verdicts],
        [int(verdict.category) for verdict in verdicts],
        # An object, because a list among parameters would be taken for one more dimension.
        [
            {"findings": [evidence.to_json() for evidence in verdict.evidence]}
            if verdict.evidence
            else None
            for verdict in verdicts
        ],
        [verdict.screen_time for verdict in verdicts],
        [verdict.expire_time for verdict in verdicts],
        [verdict.model_version for verdict in verdicts],
    )
    return {MessageKey(row["business_id"], row["message_id"]) for row in rows}


async def advance_fates(connection: Connection, fates: Mapping[MessageKey, Fate]) -> None:
    """Remember what became of messages; what is known already never goes back."""
    # In the order of the key, so that two that advance the same messages do not deadlock.
    keys = sorted(fates)
    await connection.execute(
        """
        UPDATE verdicts
        SET fate = told.fate
        FROM unnest($1::uuid[], $2::uuid[], $3::smallint[]) AS told (business_id, message_id, fate)
        WHERE verdicts.business_id = told.business_id
          AND verdicts.message_id = told.message_id
          AND verdicts.fate < told.fate
        """,
        [key.business_id for key in keys],
        [key.message_id for key in keys],
        [int(fates[key]) for key in keys],
    )


@dataclass(frozen=True, slots=True)
class Counts:
    """How messages fared."""

    screened: int
    blocked: int
    delivered: int
    refused: int


async def count(connection: Connection, business_id: UUID, since: datetime) -> Counts:
    """How a business's messages that were screened since then fared."""
    row = await connection.fetchrow(
        """
        SELECT count(*) AS screened,
               count(evidence) AS blocked,
               count(*) FILTER (WHERE fate IN (2, 3)) AS delivered,
               count(*) FILTER (WHERE fate = 4) AS refused
        FROM verdicts
        WHERE business_id = $1 AND screen_time > $2
        """,
        business_id,
        since,
    )
    assert row is not None
    return Counts(**row)


async def sweep(connection: Connection, before: datetime, rows_max: int) -> int:
    """Delete at most so many verdicts from before; how many it were."""
    status = await connection.execute(
        """
        DELETE FROM verdicts
        WHERE ctid = ANY (ARRAY(SELECT ctid FROM verdicts WHERE screen_time < $1 LIMIT $2))
        """,
        before,
        rows_max,
    )
    return int(status.removeprefix("DELETE "))


def _verdict(row: Any) -> Verdict:
    return Verdict(
        MessageKey(row["business_id"], row["message_id"]),
        row["body_digest"],
        Category(row["category"]),
        tuple(Evidence.from_json(stored) for stored in (row["evidence"] or {}).get("findings", ())),
        row["screen_time"],
        row["expire_time"],
        Fate(row["fate"]),
        row["model_version"] or "",
    )
