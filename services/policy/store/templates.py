"""Owns the rows of templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.kit.database import Connection
from services.policy.domain.evidence import Evidence
from services.policy.domain.messages import Category
from services.policy.domain.wordings import State, Template


async def insert(connection: Connection, template: Template) -> bool:
    """Whether it was inserted: not if there is one of this id already."""
    status = await connection.execute(
        """
        INSERT INTO templates (
            template_id, business_id, name, language_code, category, body, examples, buttons, state,
            evidence, create_time
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT (template_id) DO NOTHING
        """,
        template.template_id,
        template.business_id,
        template.name,
        template.language_code,
        int(template.category),
        template.body,
        dict(template.examples),
        list(template.buttons),
        int(template.state),
        [evidence.to_json() for evidence in template.evidence],
        template.create_time,
    )
    return status == "INSERT 0 1"


async def get(connection: Connection, template_ids: Sequence[UUID]) -> dict[UUID, Template]:
    """The templates of these ids, whosever they are."""
    rows = await connection.fetch(
        """
        SELECT template_id, business_id, name, language_code, category, body, examples, buttons,
               state, evidence, create_time
        FROM templates
        WHERE template_id = ANY ($1::uuid[])
        """,
        template_ids,
    )
    return {row["template_id"]: _template(row) for row in rows}


async def get_by_name(
    connection: Connection, business_id: UUID, name: str, language_code: str
) -> Template | None:
    """The latest approved wording; where none is, the latest rejected one."""
    row = await connection.fetchrow(
        """
        SELECT template_id, business_id, name, language_code, category, body, examples, buttons,
               state, evidence, create_time
        FROM templates
        WHERE business_id = $1 AND name = $2 AND language_code = $3
        ORDER BY state, submission DESC
        LIMIT 1
        """,
        business_id,
        name,
        language_code,
    )
    return _template(row) if row else None


async def list_page(
    connection: Connection, business_id: UUID, before: int | None, rows_max: int
) -> list[tuple[int, Template]]:
    """At most so many templates with their submissions, newest first, older than `before`."""
    rows = await connection.fetch(
        """
        SELECT submission, template_id, business_id, name, language_code, category, body, examples,
               buttons, state, evidence, create_time
        FROM templates
        WHERE business_id = $1 AND ($2::bigint IS NULL OR submission < $2)
        ORDER BY submission DESC
        LIMIT $3
        """,
        business_id,
        before,
        rows_max,
    )
    return [(row["submission"], _template(row)) for row in rows]


def _template(row: Any) -> Template:
    return Template.make(
        template_id=row["template_id"],
        business_id=row["business_id"],
        name=row["name"],
        language_code=row["language_code"],
        category=Category(row["category"]),
        body=row["body"],
        examples=row["examples"],
        buttons=tuple(row["buttons"]),
        state=State(row["state"]),
        evidence=tuple(Evidence.from_json(stored) for stored in row["evidence"]),
        create_time=row["create_time"],
    )
