"""Owns when a business is told about its money: at the levels that it has set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from services.billing.domain.money import Money
from services.billing.domain.purses import Purse
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


def alerts_of(business_id: UUID, purse: Purse, before: Usage) -> Iterator[Alert]:
    """The levels that a batch crossed: what is left fell to one, or what was spent rose to one.

    `before` is what was used before the batch.
    """
    payer = purse.payer
    terms = payer.terms
    if not terms.left_alerts_micros and not terms.spent_alerts_micros:
        return

    def alert(kind: AlertKind, level: int, now: int) -> Alert:
        currency_code = payer.currency_code
        return Alert(
            business_id, kind, Money(currency_code, level), Money(currency_code, now), purse.day
        )

    had = payer.available_micros + payer.credit_micros
    left = purse.available_micros + purse.credit_micros
    for level in terms.left_alerts_micros:
        if left <= level < had:
            yield alert(AlertKind.LEFT, level, left)
    spent = purse.usage.month_micros
    for level in terms.spent_alerts_micros:
        if before.month_micros < level <= spent:
            yield alert(AlertKind.SPENT, level, spent)
