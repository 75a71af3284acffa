"""Owns what a business has left while a batch of its messages is decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from services.billing.domain.free_rules import FreeRule
from services.billing.domain.ledger import LedgerAccount
from services.billing.domain.payers import Payer
from services.billing.domain.pricing import NoRate, Price, Shipment, price_of
from services.billing.domain.rate_card import RateCard
from services.billing.domain.usage import ALLOWANCE_MARKET, Usage, UsageKey


@dataclass(slots=True)
class Purse:
    """What a payer has left while a batch is decided, and what it has used by then."""

    payer: Payer
    day: date
    available_micros: int
    credit_micros: int
    usage: Usage
    # What messages of the same kind cost, as long as nothing is counted.
    prices: dict[Shipment, Price] = field(default_factory=dict)

    @classmethod
    def of(cls, payer: Payer, usage: Usage | None, now: datetime) -> Purse:
        """The purse before the batch."""
        usage = usage or Usage()
        own = Usage(dict(usage.units), usage.today_micros, usage.month_micros)
        return cls(payer, payer.day(now), payer.available_micros, payer.credit_micros, own)

    def price(self, shipment: Shipment, card: RateCard, now: datetime) -> Price | NoRate:
        """What the message costs as the next one."""
        known = self.prices.get(shipment)
        if known is not None:
            return known
        price = price_of(shipment, self.payer, card, self.usage, now)
        if isinstance(price, Price) and not price.is_counted:
            self.prices[shipment] = price
        return price

    @property
    def left_micros(self) -> int:
        """What a message may cost at most: it is paid whole from one side."""
        return max(self.available_micros, self.credit_micros)

    def take(self, shipment: Shipment, price: Price) -> LedgerAccount | None:
        """Take a message's price, from the prepaid balance if that covers it; None: too little."""
        micros = price.charged.amount_micros
        if price.free_rule is FreeRule.ALLOWANCE:
            source = LedgerAccount.ALLOWANCE
            self.usage.add(
                UsageKey(shipment.channel, ALLOWANCE_MARKET, price.category), shipment.units
            )
        elif micros <= self.available_micros:
            source = LedgerAccount.AVAILABLE
            self.available_micros -= micros
        elif micros <= self.credit_micros:
            source = LedgerAccount.RECEIVABLE
            self.credit_micros -= micros
        else:
            return None
        self.usage.spend(micros)
        if price.is_counted:
            self.usage.add(UsageKey(shipment.channel, price.market, price.category), shipment.units)
        return source
