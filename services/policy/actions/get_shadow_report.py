"""Owns GetShadowReport."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.kit.database import Connection, Database
from services.policy.domain.models import Change, ChangeKind
from services.policy.domain.shadows import Tally
from services.policy.errors import shadow_not_found
from services.policy.store import models, shadows


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """What a model in shadow made of live traffic."""

    began: Change
    end_time: datetime | None
    share_percent: int
    tally: Tally


async def get_shadow_report(database: Database, version: str) -> ShadowReport:
    """Of the last time that this model was in shadow. Refuses with SHADOW_NOT_FOUND."""
    async with database.connection("get_shadow_report") as connection:
        began = await last_shadow(connection, version)
        ended = await models.last_change(connection, version, ChangeKind.SHADOW_ENDED)
        roles = await models.get_roles(connection)
        goes_on = roles.shadow_change_id == began.change_id
        return ShadowReport(
            began,
            None if goes_on or ended is None else ended.act.time,
            roles.shadow_share_percent if goes_on else began.share_percent,
            await shadows.get_tally(connection, began.change_id),
        )


async def last_shadow(connection: Connection, version: str) -> Change:
    """The change that began it. Refuses with SHADOW_NOT_FOUND."""
    began = await models.last_change(connection, version, ChangeKind.SHADOW_BEGAN)
    if began is None:
        raise shadow_not_found(version)
    return began
