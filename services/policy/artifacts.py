"""Owns how long the artifacts of models are kept: as long as somebody may need them.

The live model's, that of one in shadow or about to be live, those that the next rollbacks lead to,
and those with which anything was done lately. Of a model whose artifact was swept the description
and the history stay, and the same release may be uploaded again.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from services.kit.clock import Clock
from services.kit.database import Connection, Database
from services.policy.errors import model_not_found, model_swept
from services.policy.store import models

log = logging.getLogger(__name__)

# After the last thing that an operator did with the model.
KEPT: Final = timedelta(days=90)
# So many rollbacks, one after another, always find their models.
ROLLBACKS_KEPT: Final = 5


async def require(connection: Connection, version: str) -> None:
    """Refuses with MODEL_NOT_FOUND and MODEL_SWEPT unless replicas could load this model.

    The caller holds the lock of the roles, so that it stays.
    """
    model = await models.get(connection, version)
    if model is None:
        raise model_not_found(version)
    if model.swept:
        raise model_swept(version)


async def sweep_artifacts(database: Database, clock: Clock) -> list[str]:
    """Delete the artifacts that nobody needs; of which versions."""
    async with database.transaction("sweep_artifacts") as connection:
        await models.lock_roles(connection)
        swept = await models.sweep_artifacts(connection, clock.now() - KEPT, ROLLBACKS_KEPT)
    for version in swept:
        log.info("an artifact was swept", extra={"version": version})
    return swept
