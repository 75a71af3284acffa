"""Owns CreateReservations."""

from __future__ import annotations

from collections.abc import Sequence

from services.billing.domain.money import Money
from services.billing.domain.rates import RateCard
from services.billing.domain.reservations import ReservationItem, decide
from services.billing.errors import refusal_of
from services.billing.store import accounts, rates, reservations
from services.kit.database import Connection, Database
from services.kit.errors import Refusal


async def create_reservations(
    database: Database, card: RateCard, items: Sequence[ReservationItem]
) -> list[Money | Refusal]:
    """What is held for each message, or why nothing is, in the order of the items.

    `card` is this process's copy of the rates; it is brought up to date here. The number of
    statements does not depend on the number of items.
    """

    async def reserve(connection: Connection) -> list[Money | Refusal]:
        available, newest_rate_id = await accounts.hold_for_pricing(
            connection, (item.key.business_id for item in items)
        )
        if newest_rate_id > card.newest_rate_id:
            card.add(await rates.read_rates(connection, card.newest_rate_id))
        reserved = await reservations.find_reservations(connection, {item.key for item in items})
        # Read while the rates are held: no rate can begin before this moment and come later.
        now = database.clock.now()

        decision = decide(items, available, reserved, card, now)

        if decision.added:
            await reservations.insert_reservations(connection, decision.added, now)
        return [
            outcome if isinstance(outcome, Money) else refusal_of(outcome)
            for outcome in decision.outcomes
        ]

    return await database.run("create_reservations", reserve)
