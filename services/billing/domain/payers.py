"""Owns what a business can spend at a moment: what it has paid in, and its credit."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.billing.domain.ledger import Account
from services.billing.domain.terms import Terms, zone


class Payer(NamedTuple):
    """A business's account at the moment at which it is held."""

    currency_code: str
    available_micros: int
    receivable_micros: int = 0
    time_zone: str = "UTC"
    country_code: str | None = None
    terms: Terms = Terms()

    @property
    def credit_micros(self) -> int:
        """What it can still take on credit."""
        return max(0, self.terms.credit_limit_micros + self.receivable_micros)

    @property
    def watches_spending(self) -> bool:
        """Whether it matters what was spent today or this month."""
        terms = self.terms
        return bool(
            terms.daily_cap_micros is not None
            or terms.monthly_cap_micros is not None
            or terms.spent_alerts_micros
        )

    @property
    def zone(self) -> ZoneInfo:
        """Its time zone."""
        return zone(self.time_zone)

    def day(self, at: datetime) -> date:
        """The business's calendar day."""
        return at.date() if self.time_zone == "UTC" else at.astimezone(zone(self.time_zone)).date()


def payer_of(account: Account) -> Payer:
    """The account as a payer."""
    return Payer(
        account.currency_code,
        account.available.amount_micros,
        -account.owed.amount_micros,
        account.time_zone,
        account.country_code,
        account.terms,
    )
