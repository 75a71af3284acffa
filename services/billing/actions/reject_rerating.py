"""Owns RejectRerating."""

from __future__ import annotations

from uuid import UUID

from services.billing.actions.get_rerating import read_rerating
from services.billing.domain.corrections import Rerating, ReratingState
from services.billing.errors import rerating_closed
from services.billing.store import reratings
from services.kit.database import Connection, Database


async def reject_rerating(database: Database, rerating_id: UUID) -> Rerating:
    """The re-rating, closed now or before. Refuses with RERATING_NOT_FOUND and RERATING_CLOSED."""

    async def reject(connection: Connection) -> Rerating:
        await reratings.hold_rerating(connection, rerating_id)
        rerating = await read_rerating(connection, rerating_id)
        if rerating.state is ReratingState.APPLIED:
            raise rerating_closed(rerating_id, rerating.state)
        if rerating.state is ReratingState.PROPOSED:
            await reratings.insert_decision(
                connection, rerating_id, ReratingState.REJECTED, database.clock.now()
            )
        return await read_rerating(connection, rerating_id)

    return await database.run("reject_rerating", reject)
