"""Owns ListReplicas."""

from __future__ import annotations

from services.kit.database import Database
from services.policy.domain.models import ReplicaState, Roles
from services.policy.store import models, replicas


async def list_replicas(database: Database) -> tuple[list[ReplicaState], Roles]:
    """The replicas that live, and what all should run."""
    async with database.connection("list_replicas") as connection:
        return await replicas.list_living(connection), await models.get_roles(connection)
