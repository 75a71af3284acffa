"""Owns ShadowModel."""

from __future__ import annotations

from services.kit.database import Connection, Database
from services.kit.errors import Refusal
from services.kit.wakeups import Wakeups
from services.policy.artifacts import require
from services.policy.domain.models import Act, Change, ChangeKind, Roles
from services.policy.errors import PolicyReasons
from services.policy.models import WAKEUP
from services.policy.store import models


async def shadow_model(
    database: Database, wakeups: Wakeups, version: str, share_percent: int, act: Act
) -> Change:
    """Every replica judges with this model beside the live one from now on.

    Refuses with MODEL_NOT_FOUND, MODEL_SWEPT and MODEL_IS_LIVE.
    """
    async with database.transaction("shadow_model") as connection:
        roles = await models.lock_roles(connection)
        await require(connection, version)
        if version == roles.live_version:
            raise Refusal(PolicyReasons.MODEL_IS_LIVE, metadata={"version": version})
        if version == roles.shadow_version and roles.shadow_change_id is not None:
            await models.put_share(connection, share_percent)
            change = await models.get_change(connection, roles.shadow_change_id)
        else:
            await end(connection, roles, act, "another model took its place")
            change = await models.record(
                connection,
                ChangeKind.SHADOW_BEGAN,
                version,
                act,
                previous_version=roles.live_version,
                share_percent=share_percent,
            )
            await models.put_shadow(connection, change)
    wakeups.wake([WAKEUP])
    return change


async def end(connection: Connection, roles: Roles, act: Act, detail: str = "") -> None:
    """No model is in shadow any more, if one was. The caller holds the lock of the roles."""
    if roles.shadow_version:
        await models.record(
            connection, ChangeKind.SHADOW_ENDED, roles.shadow_version, act, detail=detail
        )
        await models.put_shadow(connection, None)
