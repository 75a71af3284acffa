"""Owns ImportRateCard."""

from __future__ import annotations

from hashlib import sha256

from services.billing.actions.check_rate_card import judge_card
from services.billing.domain.cards import Card
from services.billing.errors import card_name_reused, card_refused
from services.billing.store import cards, rates
from services.kit.database import Database


async def import_rate_card(database: Database, name: str, currency_code: str, text: str) -> Card:
    """The card: all its rows begin as they say, or none do. The same file again: the same card.

    Refuses with CARD_NAME_REUSED, and for its rows with INVALID_FIELD, AMOUNT_INVALID,
    CURRENCY_WRONG, MARKET_UNKNOWN, RATE_IN_THE_PAST, RATE_OVERLAPS and RATE_GAP, naming the lines
    at fault.
    """
    digest = sha256(text.encode()).digest()
    async with database.transaction("import_rate_card") as connection:
        # As in AddRates: nothing is priced from here to the commit.
        await rates.stop_pricing(connection)
        earlier = await cards.find_card(connection, name)
        if earlier is not None:
            if (earlier.sha256, earlier.currency_code) != (digest, currency_code):
                raise card_name_reused(name)
            return earlier
        now = database.clock.now()
        read, faults = await judge_card(connection, currency_code, text, now)
        if faults:
            raise card_refused(faults)
        card_id = await cards.insert_card(connection, name, currency_code, digest, now)
        await rates.insert_rates(connection, read.rates, now, card_id)
        await rates.insert_rules(connection, read.rules, now, card_id)
        card = await cards.find_card(connection, name)
        assert card is not None  # it was just written
        return card
