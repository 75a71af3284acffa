"""Owns how statements and invoices are refused."""

from __future__ import annotations

from services.billing.errors import BillingReasons
from services.kit.errors import Reason, Refusal


def invoice_refused(reason: Reason, **metadata: str) -> Refusal:
    """The refusal of something about invoices."""
    return Refusal(reason, metadata=metadata)


def period_invalid(message: str) -> Refusal:
    """The refusal of days or a month; `message` says what is wrong with them."""
    return Refusal(BillingReasons.PERIOD_INVALID, f"{message[0].upper()}{message[1:]}.")
