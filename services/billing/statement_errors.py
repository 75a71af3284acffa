"""Owns how statements and invoices are refused."""

from __future__ import annotations

from typing import Final

from services.billing.errors import BillingReasons
from services.kit.errors import Reason, Refusal

_LETTERS_MAX: Final = 40


def invoice_refused(reason: Reason, **metadata: str) -> Refusal:
    """The refusal of something about invoices."""
    return Refusal(reason, metadata=metadata)


def invoice_not_printable(number: str, letters: str) -> Refusal:
    """The refusal to print boxes in the place of `letters`."""
    shown = letters[:_LETTERS_MAX] + ("…" if len(letters) > _LETTERS_MAX else "")
    return Refusal(
        BillingReasons.INVOICE_NOT_PRINTABLE,
        f"No font here has these letters of the document: {shown}",
        metadata={"number": number, "letters": shown},
    )


def period_invalid(message: str) -> Refusal:
    """The refusal of days or a month; `message` says what is wrong with them."""
    return Refusal(BillingReasons.PERIOD_INVALID, f"{message[0].upper()}{message[1:]}.")
