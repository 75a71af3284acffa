"""The approved wordings of templates, remembered a while, and what is made from them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TypeAlias

from hudhud.content.v1 import content_pb2
from services.ends.edge.contacts import Remembered
from services.ends.edge.domain import TemplateCall, Wording
from services.ends.edge.errors import EdgeReasons
from services.ends.edge.ports import Policy
from services.kit.clock import Clock
from services.kit.errors import Refusal

TemplateKey: TypeAlias = tuple[str, str, str]  # business_id, name, language_code


class Wordings:
    """The templates of the businesses that this edge stands for."""

    def __init__(self, policy: Policy, clock: Clock, remember_seconds: float) -> None:
        self._policy = policy
        self._wordings: Remembered[Wording] = Remembered(clock, remember_seconds, 10_000)

    async def find(self, wanted: Iterable[TemplateKey]) -> dict[TemplateKey, Wording | Refusal]:
        """The wording of each, or why there is none."""
        answers: dict[TemplateKey, Wording | Refusal] = {}

        async def ask(key: TemplateKey) -> None:
            wording = self._wordings.get(key)
            if wording is None:
                try:
                    wording = await self._policy.find_wording(*key)
                except Refusal as refusal:
                    answers[key] = refusal
                    return
                self._wordings.put(key, wording)
            answers[key] = wording

        await asyncio.gather(*(ask(key) for key in set(wanted)))
        return answers


def fill_in(wording: Wording, call: TemplateCall, reply_to_message_id: str) -> bytes:
    """The serialized content of a template message. Raises Refusal for wrong parameters.

    Serialized deterministically, so that the same call gives the same bytes and with them the same
    commitment.
    """
    given = call.parameters.keys()
    if lacking := sorted(wording.parameters - given):
        raise Refusal(
            EdgeReasons.PARAMETER_MISSING,
            f"The template {call.name} needs the parameters {', '.join(lacking)}.",
            metadata={"template": call.name, "parameters": ", ".join(lacking)},
        )
    if unknown := sorted(given - wording.parameters):
        raise Refusal(
            EdgeReasons.PARAMETER_UNKNOWN,
            f"The template {call.name} has no parameters {', '.join(unknown)}.",
            metadata={"template": call.name, "parameters": ", ".join(unknown)},
        )
    content = content_pb2.Content(
        template=content_pb2.Template(
            name=call.name,
            language_code=call.language_code,
            parameters=call.parameters,
            rendered=wording.render(call.parameters),
            template_id=wording.template_id,
            buttons=[content_pb2.Button.FromString(button) for button in wording.buttons],
        ),
        reply_to_message_id=reply_to_message_id,
    )
    return content.SerializeToString(deterministic=True)
