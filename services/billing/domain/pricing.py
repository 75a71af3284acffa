"""Owns the price of a message: which row of the card it comes from, or which rule makes it free."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from services.billing.domain.free_rules import FreeRule, RulesInForce, entry_point_open
from services.billing.domain.markets import MARKETS
from services.billing.domain.money import Money
from services.billing.domain.payers import Payer
from services.billing.domain.rate_card import Ladder, RateCard
from services.billing.domain.rates import Category, Channel, Rate
from services.billing.domain.usage import ALLOWANCE_MARKET, Usage, UsageKey


class Shipment(NamedTuple):
    """What the price of a message depends on."""

    category: Category  # the clearance's
    destination_country: str
    window_open: bool
    channel: Channel = Channel.APP
    # Segments of an SMS, as carriers count them; 1 of everything else.
    units: int = 1
    # When the person came by the business's link, and when it first answered after that.
    entry_point_time: datetime | None = None
    entry_point_answer_time: datetime | None = None


class Price(NamedTuple):
    """What a message costs and why."""

    # What the card asks for it, and what it adds to the month's volume.
    listed: Money
    category: Category
    market: str
    rate: Rate | None  # None: nothing was looked up, for a rule makes it free whatever it costs
    free_rule: FreeRule | None
    # Whether what was used before, and this message for the next, makes a difference.
    is_counted: bool

    @property
    def charged(self) -> Money:
        """What its business pays."""
        return Money(self.listed.currency_code, 0) if self.free_rule else self.listed


class NoRate(NamedTuple):
    """Nothing says what such a message costs."""

    category: Category
    destination_country: str
    currency_code: str


class Quotation(NamedTuple):
    """A price before anything is sent, and how it was counted."""

    price: Price
    units: int
    # Of the month's units, the one that the message's first would be.
    unit_number: int


def price_of(
    shipment: Shipment, payer: Payer, card: RateCard, usage: Usage, now: datetime
) -> Price | NoRate:
    """What the message costs at the time `now`.

    The price is that of its first unit: a message is never in two tiers. It is the price of one
    unit times the units, both whole, so that nothing is rounded.
    """
    channel, country, currency = shipment.channel, shipment.destination_country, payer.currency_code
    rules = card.rules(channel, currency, now)
    category, ladder = _find(shipment, payer, card, now)
    if rule := _free_whatever_it_costs(shipment, rules, now):
        # It adds to the volume of the market that would have priced it.
        if ladder is None:
            market = MARKETS.region_of(country, now) or country
        else:
            market = ladder.rungs[0].market
        is_counted = ladder is not None and ladder.has_tiers
        return Price(Money(currency, 0), category, market, None, rule, is_counted)
    if ladder is None:
        return NoRate(category, country, currency)
    used = 0
    if ladder.has_tiers:
        used = usage.used(UsageKey(channel, ladder.rungs[0].market, category))
    rate = ladder.rung(used + 1)
    if rate is None:
        return NoRate(category, country, currency)
    listed = rate.price
    if shipment.units != 1:
        listed = Money(currency, listed.amount_micros * shipment.units)
    rule, is_counted = None, ladder.has_tiers
    if rules.allowance_messages and category is Category.SERVICE:
        is_counted = True
        given = usage.used(UsageKey(channel, ALLOWANCE_MARKET, category))
        if given + shipment.units <= rules.allowance_messages:
            rule = FreeRule.ALLOWANCE
    return Price(listed, category, rate.market, rate, rule, is_counted)


def _free_whatever_it_costs(
    shipment: Shipment, rules: RulesInForce, now: datetime
) -> FreeRule | None:
    if rules.entry_point_hours and entry_point_open(
        shipment.entry_point_time,
        shipment.entry_point_answer_time,
        rules.entry_point_hours,
        now,
    ):
        return FreeRule.ENTRY_POINT
    if rules.reply and shipment.window_open and shipment.category is Category.SERVICE:
        return FreeRule.REPLY
    return None


def _find(
    shipment: Shipment, payer: Payer, card: RateCard, now: datetime
) -> tuple[Category, Ladder | None]:
    """The category that is priced, and its ladder.

    A one-time code to another country than the business's is international where the card has a
    price for that, and else as any other.
    """
    category, country = shipment.category, shipment.destination_country
    if category is Category.AUTHENTICATION and payer.country_code not in (None, country):
        international = Category.AUTHENTICATION_INTERNATIONAL
        ladder = card.find(international, country, payer.currency_code, now, shipment.channel)
        if ladder is not None:
            return international, ladder
    return category, card.find(category, country, payer.currency_code, now, shipment.channel)
