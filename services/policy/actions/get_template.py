"""Owns GetTemplate."""

from __future__ import annotations

from uuid import UUID

from services.kit.database import Database
from services.kit.errors import Refusal
from services.policy.domain.wordings import State, Template
from services.policy.errors import PolicyReasons, template_rejected, unknown_template
from services.policy.store import templates


async def get_template(database: Database, business_id: UUID, template_id: UUID) -> Template:
    """This wording, in whatever state. Another business's is as unknown as one that nobody has:
    refuses with UNKNOWN_TEMPLATE.
    """
    async with database.connection("get_template") as connection:
        template = (await templates.get(connection, [template_id])).get(template_id)
    if template is None or template.business_id != business_id:
        raise Refusal(PolicyReasons.UNKNOWN_TEMPLATE, metadata={"template_id": str(template_id)})
    return template


async def get_template_in_force(
    database: Database, business_id: UUID, name: str, language_code: str
) -> Template:
    """The approved wording of this name and language.

    Refuses with UNKNOWN_TEMPLATE, and with TEMPLATE_REJECTED where all there is was rejected.
    """
    async with database.connection("get_template_in_force") as connection:
        template = await templates.get_by_name(connection, business_id, name, language_code)
    if template is None:
        raise unknown_template(name, language_code)
    if template.state is not State.APPROVED:
        raise template_rejected(template)
    return template
