"""Owns Quote."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.billing.domain.payers import payer_of
from services.billing.domain.pricing import NoRate, Quotation, Shipment, price_of
from services.billing.domain.rate_card import RateCard
from services.billing.domain.usage import UsageKey
from services.billing.errors import account_not_found, refusal_of
from services.billing.store import accounts, rates
from services.billing.store.usage import read_usage
from services.kit.database import Database
from services.kit.errors import Refusal


async def quote(
    database: Database, business_id: UUID, shipments: Sequence[Shipment]
) -> list[Quotation | Refusal]:
    """What each message would cost if it were the next, or why it has no price.

    Refuses with ACCOUNT_NOT_FOUND.
    """
    async with database.connection("quote") as connection:
        account = await accounts.get_account(connection, business_id)
        if account is None:
            raise account_not_found(business_id)
        payer = payer_of(account)
        card = RateCard()
        card.add(await rates.read_rates(connection, 0), await rates.read_rules(connection, 0))
        now = database.clock.now()
        usage = (await read_usage(connection, {business_id: payer}, now))[business_id]
    quotations: list[Quotation | Refusal] = []
    for shipment in shipments:
        price = price_of(shipment, payer, card, usage, now)
        if isinstance(price, NoRate):
            quotations.append(refusal_of(price))
            continue
        key = UsageKey(shipment.channel, price.market, price.category)
        quotations.append(Quotation(price, shipment.units, usage.used(key) + 1))
    return quotations
