"""Owns RollbackModel."""

from __future__ import annotations

from services.kit.database import Database
from services.kit.errors import Refusal
from services.policy.actions.shadow_model import end
from services.policy.artifacts import require
from services.policy.domain.models import CONFIGURED, Act, Change, ChangeKind, ReplicaState
from services.policy.errors import PolicyReasons
from services.policy.store import models
from services.policy.switching import Switching


async def rollback_model(
    database: Database, switching: Switching, version: str, act: Act
) -> tuple[Change, list[ReplicaState]]:
    """The rollback from this model, which is live, and the replicas with what they run.

    Refuses with MODEL_NOT_LIVE, MODEL_SWEPT, MODEL_NOT_LOADABLE and MODEL_CHANGE_UNDER_WAY.
    """
    async with database.transaction("announce_rollback") as connection:
        roles = await models.lock_roles(connection)
        if version != roles.live_version or roles.live_change_id is None:
            raise Refusal(
                PolicyReasons.MODEL_NOT_LIVE,
                metadata={"version": version, "live_version": roles.live_version},
            )
        promotion = await models.get_change(connection, roles.live_change_id)
        target = promotion.previous_version
        if target != CONFIGURED:
            await require(connection, target)
        candidate_id = await switching.announce(connection, roles, target)
    async with switching.switch(candidate_id, target, act) as connection:
        roles = await models.lock_roles(connection)
        change = await models.record(
            connection, ChangeKind.ROLLED_BACK, target, act, previous_version=version
        )
        await end(connection, roles, act, "the live model was rolled back")
        await models.put_live(connection, target, promotion.previous_change_id)
    return change, await switching.until_all_run(target)
