"""Owns what the classifier is given to read of messages: all of a batch in one question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.policy.domain.messages import Draft
from services.policy.domain.verdicts import Bench, Opinion, Readings
from services.policy.domain.wordings import Template
from services.policy.judge import Judge


async def read_messages(
    judge: Judge, bench: Bench, drafts: Sequence[Draft], templates: Mapping[UUID, Template]
) -> list[Readings]:
    """What the classifier reads of each. Raises the refusal DEPENDENCY_UNAVAILABLE."""
    texts: dict[str, Opinion | None] = {}
    asked: list[tuple[str, str, str]] = []
    for draft in drafts:
        values = wording = ""
        if draft.template is not None:
            template = templates[draft.template.template_id]
            values = bench.text_of_parameters(template, draft.template.parameters)
            wording = template.example_text
        asked.append((draft.text, values, wording))
        texts |= {draft.text: None, values: None, wording: None}
    texts.pop("", None)
    opinions = await judge.read(list(texts))
    texts = dict(zip(texts, opinions, strict=True))
    return [
        Readings(texts.get(text), texts.get(values), texts.get(wording))
        for text, values, wording in asked
    ]
