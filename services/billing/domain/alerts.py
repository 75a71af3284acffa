"""Owns when a business is told about its money: at the levels that it has set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from services.billing.domain.money import Money
from services.billing.domain.payers import Purse
from services.billing.domain.usage import Usage


class AlertKind(StrEnum):
    """What came to a level."""

    LEFT = "left"
    SPENT = "spent"


@dataclass(frozen=True, slots=True)
class Alert:
    """A level was reached on this day of the business."""

    business_id: UUID
    kind: AlertKind
    level: Money
    now: Money  # what is left, or was spent this month
    day: date


def alerts_of(
    business_id: UUID, purse: Purse, day: date, before: Usage, after: Usage
) -> Iterator[Alert]:
    """The levels that a batch crossed: what is left fell to one, or what was spent rose to one."""
    payer = purse.payer
    terms = payer.terms
    if not terms.left_alerts_micros and not terms.spent_alerts_micros:
        return

    def money(micros: int) -> Money:
        return Money(payer.currency_code, micros)

    had = payer.available_micros + payer.credit_micros
    left = purse.available_micros + purse.credit_micros
    for level in terms.left_alerts_micros:
        if left <= level < had:
            yield Alert(business_id, AlertKind.LEFT, money(level), money(left), day)
    spent = after.month_micros.get(business_id, 0)
    for level in terms.spent_alerts_micros:
        if before.month_micros.get(business_id, 0) < level <= spent:
            yield Alert(business_id, AlertKind.SPENT, money(level), money(spent), day)
