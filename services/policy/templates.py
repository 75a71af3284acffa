"""Owns the templates that this process remembers: wordings never change, so they never go stale."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from uuid import UUID

from services.kit.database import Connection
from services.policy.domain.messages import TemplateUse
from services.policy.domain.wordings import Template
from services.policy.store import templates

REMEMBERED_MAX = 20_000


class RememberedTemplates:
    """Templates by id. One that is not there is asked for again: it may be submitted any moment."""

    def __init__(self, remembered_max: int = REMEMBERED_MAX) -> None:
        self._remembered: OrderedDict[UUID, Template] = OrderedDict()
        self._remembered_max = remembered_max

    async def find(
        self, connection: Connection, uses: Iterable[TemplateUse | None]
    ) -> dict[UUID, Template]:
        """The templates in use, as far as they exist, whosever they are."""
        wanted = {use.template_id for use in uses if use is not None}
        unknown = [template_id for template_id in wanted if template_id not in self._remembered]
        if unknown:
            self._remembered.update(await templates.get(connection, unknown))
        found = {
            template_id: self._remembered[template_id]
            for template_id in wanted
            if template_id in self._remembered
        }
        for template_id in found:
            self._remembered.move_to_end(template_id)
        while len(self._remembered) > self._remembered_max:
            self._remembered.popitem(last=False)
        return found
