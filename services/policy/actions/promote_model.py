"""Owns PromoteModel."""

from __future__ import annotations

from uuid import UUID

from services.kit.database import Connection, Database
from services.policy.actions.shadow_model import end
from services.policy.artifacts import require
from services.policy.domain.models import Act, Change, ChangeKind, ReplicaState
from services.policy.store import models
from services.policy.switching import Switching


async def promote_model(
    database: Database, switching: Switching, version: str, act: Act
) -> tuple[Change, list[ReplicaState]]:
    """The promotion, and the replicas with what they run. For the model that is live already, the
    promotion that made it so.

    Refuses with MODEL_NOT_FOUND, MODEL_SWEPT, MODEL_NOT_LOADABLE and MODEL_CHANGE_UNDER_WAY.
    """
    async with database.transaction("announce_promotion") as connection:
        announced = await _announce(connection, switching, version)
    if isinstance(announced, Change):
        change = announced
    else:
        async with switching.switch(announced, version, act) as connection:
            change = await _make_live(connection, version, act)
    return change, await switching.until_all_run(version)


async def _announce(connection: Connection, switching: Switching, version: str) -> UUID | Change:
    roles = await models.lock_roles(connection)
    await require(connection, version)
    if version == roles.live_version and roles.live_change_id is not None:
        return await models.get_change(connection, roles.live_change_id)
    return await switching.announce(connection, roles, version)


async def _make_live(connection: Connection, version: str, act: Act) -> Change:
    roles = await models.lock_roles(connection)
    change = await models.record(
        connection,
        ChangeKind.PROMOTED,
        version,
        act,
        previous_version=roles.live_version,
        previous_change_id=roles.live_change_id,
    )
    await end(connection, roles, act, "a model was promoted")
    await models.put_live(connection, version, change.change_id)
    return change
