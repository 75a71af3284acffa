"""The rates of this machine's rate card: invented, in US dollars, the same for most countries."""

from __future__ import annotations

from typing import Final

from hudhud.billing.v1 import account_pb2
from hudhud.clearance.v1 import clearance_pb2

CURRENCY_CODE: Final = "USD"
EVERYWHERE: Final = "ZZ"

# Millionths of a dollar for one message.
PRICES_MICROS: Final = {
    (clearance_pb2.CATEGORY_UTILITY, EVERYWHERE): 8_000,
    (clearance_pb2.CATEGORY_AUTHENTICATION, EVERYWHERE): 6_000,
    (clearance_pb2.CATEGORY_MARKETING, EVERYWHERE): 45_000,
    (clearance_pb2.CATEGORY_SERVICE, EVERYWHERE): 4_000,
    (clearance_pb2.CATEGORY_UTILITY, "SY"): 5_000,
    (clearance_pb2.CATEGORY_MARKETING, "SY"): 30_000,
}


def rates() -> list[account_pb2.Rate]:
    """The rate card, good from now on."""
    return [
        account_pb2.Rate(
            category=category,
            country_code=country_code,
            price=account_pb2.Money(currency_code=CURRENCY_CODE, amount_micros=micros),
        )
        for (category, country_code), micros in PRICES_MICROS.items()
    ]
