"""Owns what a month cost, told apart as far as anybody can."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple
from uuid import UUID

from services.billing.domain.statements import MovementKey


class Charge(NamedTuple):
    """Messages of one day that have their key and the price of a unit in common, in micros."""

    day: date
    key: MovementKey
    unit_price: int
    message_count: int
    units: int
    listed: int


class CostCorrection(NamedTuple):
    """A correction of the ledger. `is_of_earlier` where it corrects a month that was over."""

    entry_id: int
    day: date
    key: MovementKey
    amount: int
    is_of_earlier: bool
    invoice_id: UUID | None
