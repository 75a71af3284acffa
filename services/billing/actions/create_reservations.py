"""Owns CreateReservations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.billing.alerting import tell
from services.billing.domain.money import Money
from services.billing.domain.payers import Payer
from services.billing.domain.rate_card import RateCard
from services.billing.domain.reservations import ReservationItem, decide
from services.billing.domain.usage import Usage
from services.billing.errors import refusal_of
from services.billing.store import accounts, rates, reservations
from services.billing.store.usage import read_usage
from services.kit import traces
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
        payers, newest = await accounts.hold_for_reserving(
            connection, (item.key.business_id for item in items)
        )
        if newest.rate_id > card.newest_rate_id or newest.rule_id > card.newest_rule_id:
            card.add(
                await rates.read_rates(connection, card.newest_rate_id),
                await rates.read_rules(connection, card.newest_rule_id),
            )
        reserved = await reservations.find_reservations(connection, [item.key for item in items])
        # Read while the prices are held: no rate can begin before this moment and come later.
        now = database.clock.now()
        usage = await _usage(connection, card, payers, now)

        decision = decide(items, payers, reserved, card, usage, now)

        if decision.added:
            await reservations.insert_reservations(connection, decision.added, now)
        if decision.alerts:
            await tell(connection, decision.alerts, now)
        return [
            outcome if isinstance(outcome, Money) else refusal_of(outcome)
            for outcome in decision.outcomes
        ]

    with traces.step("reserve", (item.key for item in items), parent="accept"):
        return await database.run("create_reservations", reserve)


async def _usage(
    connection: Connection, card: RateCard, payers: Mapping[UUID, Payer], now: datetime
) -> dict[UUID, Usage]:
    """What was used so far, of the businesses for which it matters: for most nothing counts it."""
    counting = {
        business_id: payer
        for business_id, payer in payers.items()
        if payer.currency_code in card.counting_currencies or payer.watches_spending
    }
    return await read_usage(connection, counting, now) if counting else {}
