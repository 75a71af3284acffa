"""Owns amounts of money: whole micros of one currency."""

from __future__ import annotations

from typing import Final, NamedTuple

# A thousand million of a currency's main unit: more than any one movement or price, and far from
# where 64 bits end.
AMOUNT_MICROS_MAX: Final = 10**15

# What a business may top up over all time. No balance of it can be further from zero than this, so
# none ever leaves 64 bits.
FUNDING_MICROS_MAX: Final = 4 * 10**18


class Money(NamedTuple):
    """`amount_micros` millionths of the main unit of `currency_code` (ISO 4217)."""

    currency_code: str
    amount_micros: int

    def __str__(self) -> str:
        """Exact, for people: "0.0045 USD"."""
        sign = "-" if self.amount_micros < 0 else ""
        units, micros = divmod(abs(self.amount_micros), 1_000_000)
        # Two places at least, as money is written, and all six where it takes six.
        digits = f"{micros:06}"
        places = digits[:2] + digits[2:].rstrip("0")
        return f"{sign}{units}.{places} {self.currency_code}"
