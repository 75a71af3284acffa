"""Owns EndShadow."""

from __future__ import annotations

from services.kit.database import Database
from services.kit.wakeups import Wakeups
from services.policy.actions.shadow_model import end
from services.policy.domain.models import Act
from services.policy.models import WAKEUP
from services.policy.store import models


async def end_shadow(database: Database, wakeups: Wakeups, act: Act) -> str:
    """The model that was in shadow until now; empty: none was."""
    async with database.transaction("end_shadow") as connection:
        roles = await models.lock_roles(connection)
        await end(connection, roles, act)
    wakeups.wake([WAKEUP])
    return roles.shadow_version
