"""Owns SubmitTemplate: a wording is reviewed while its author waits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from services.kit.database import Database
from services.kit.errors import Refusal
from services.policy.domain.messages import DECLARABLE, Category
from services.policy.domain.verdicts import Bench, Weights
from services.policy.domain.wordings import State, Template, Wording, WordingMalformed
from services.policy.errors import PolicyReasons
from services.policy.explanations import explained
from services.policy.models import Models
from services.policy.store import templates


async def submit_template(
    database: Database,
    models: Models,
    weights: Weights,
    *,
    request_id: UUID,
    business_id: UUID,
    name: str,
    language_code: str,
    category: Category,
    body: str,
    examples: Mapping[str, str],
    buttons: tuple[bytes, ...],
    button_text: str,
    now: datetime,
) -> Template:
    """The template as it was reviewed: now, or before with the same body.

    `button_text` is what the buttons say, for the review. Refuses with CATEGORY_NOT_ALLOWED,
    TEMPLATE_MALFORMED and TEMPLATE_ID_REUSED.
    """
    if category not in DECLARABLE:
        raise Refusal(PolicyReasons.CATEGORY_NOT_ALLOWED)
    try:
        wording = Wording.read(body)
        wording.check(examples)
    except WordingMalformed as error:
        raise Refusal(PolicyReasons.TEMPLATE_MALFORMED, str(error)) from None

    rendered = "\n".join(filter(None, (wording.render(examples), button_text)))
    with models.live.lend() as judge:
        opinions = await judge.read([rendered, wording.bare])
        found = Bench(weights, judge.model).judge_wording(category, rendered, opinions)
        [evidence] = await explained(judge, [(found, rendered)])
    template = Template.make(
        template_id=request_id,
        business_id=business_id,
        name=name,
        language_code=language_code,
        category=category,
        body=body,
        examples=examples,
        buttons=buttons,
        state=State.REJECTED if evidence else State.APPROVED,
        evidence=evidence,
        create_time=now,
    )

    async with database.transaction("submit_template") as connection:
        if await templates.insert(connection, template):
            return template
        submitted = (await templates.get(connection, [request_id])).get(request_id)
    if submitted is None or not submitted.says_the_same_as(template):
        raise Refusal(PolicyReasons.TEMPLATE_ID_REUSED, metadata={"request_id": str(request_id)})
    return submitted
