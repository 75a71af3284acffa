"""Owns GetModel."""

from __future__ import annotations

from services.kit.database import Database
from services.policy.domain.models import KeptModel, State
from services.policy.errors import model_not_found
from services.policy.store import models


async def get_model(database: Database, version: str) -> tuple[KeptModel, State, bytes]:
    """A model, what it does now, and its manifest. Refuses with MODEL_NOT_FOUND."""
    async with database.connection("get_model") as connection:
        kept = await models.get(connection, version)
        manifest = await models.get_manifest(connection, version)
        roles = await models.get_roles(connection)
    if kept is None or manifest is None:
        raise model_not_found(version)
    return kept, roles.state_of(kept), manifest
