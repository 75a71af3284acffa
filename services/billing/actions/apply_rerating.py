"""Owns ApplyRerating."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from services.billing.actions.get_rerating import read_rerating
from services.billing.domain.corrections import Rerating, ReratingItem, ReratingState, adjust
from services.billing.domain.ledger import EntryType
from services.billing.errors import rerating_closed
from services.billing.store import accounts, corrections, reratings
from services.kit.database import Connection, Database

# Few enough that the accounts they belong to are held for milliseconds.
_BOOKED_AT_ONCE: Final = 500


async def apply_rerating(database: Database, rerating_id: UUID) -> Rerating:
    """The re-rating, decided on, and every adjustment booked: now, or before, or some of both.

    Refuses with RERATING_NOT_FOUND and RERATING_CLOSED.
    """

    async def decide(connection: Connection) -> Rerating:
        await reratings.hold_rerating(connection, rerating_id)
        rerating = await read_rerating(connection, rerating_id)
        if rerating.state is ReratingState.REJECTED:
            raise rerating_closed(rerating_id, rerating.state)
        if rerating.state is ReratingState.PROPOSED:
            await reratings.insert_decision(
                connection, rerating_id, ReratingState.APPLIED, database.clock.now()
            )
        return await read_rerating(connection, rerating_id)

    rerating = await database.run("apply_rerating", decide)

    # From here on it will be booked: cut off, the same call again goes on where this one stopped.
    place = 0
    while True:
        async with database.connection("apply_rerating.read") as connection:
            items = await reratings.read_items(connection, rerating_id, place, _BOOKED_AT_ONCE)
        if not items:
            return rerating
        await _book(database, rerating_id, items)
        place = items[-1].place


async def _book(database: Database, rerating_id: UUID, items: list[ReratingItem]) -> None:
    async def book(connection: Connection) -> None:
        business_ids = {item.business_id for item in items}
        payers, _ = await accounts.hold_for_reserving(connection, business_ids)
        charges = await corrections.find_charges(
            connection, [(item.business_id, item.entry_id) for item in items]
        )
        booked = await corrections.find_booked_adjustments(
            connection,
            [(item.business_id, item.adjustment_id(rerating_id)) for item in items],
        )
        adjustments = adjust(
            items,
            rerating_id,
            charges,
            booked,
            {each: payer.available_micros for each, payer in payers.items()},
            {each: -payer.receivable_micros for each, payer in payers.items()},
        )
        if adjustments:
            await corrections.insert_corrections(
                connection, EntryType.ADJUSTMENT, adjustments, database.clock.now()
            )

    await database.run("apply_rerating.book", book)
