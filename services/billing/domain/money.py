"""Owns amounts of money: whole micros of one currency."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# A thousand million of a currency's main unit: more than any one movement or price, and far from
# where 64 bits end.
AMOUNT_MICROS_MAX: Final = 10**15

# What a business may top up over all time. No balance of it can be further from zero than this, so
# none ever leaves 64 bits.
FUNDING_MICROS_MAX: Final = 4 * 10**18

_DECIMAL: Final = re.compile(r"(-?)(\d{1,12})(?:\.(\d+))?", re.ASCII)


class Money(NamedTuple):
    """`amount_micros` millionths of the main unit of `currency_code` (ISO 4217)."""

    currency_code: str
    amount_micros: int

    def __str__(self) -> str:
        """Exact, for people: "0.0045 USD"."""
        return f"{decimal(self.amount_micros)} {self.currency_code}"


def decimal(micros: int) -> str:
    """In the main unit, with two places at least and six at most: 4500 is "0.0045"."""
    sign = "-" if micros < 0 else ""
    units, rest = divmod(abs(micros), 1_000_000)
    digits = f"{rest:06}"
    return f"{sign}{units}.{digits[:2]}{digits[2:].rstrip('0')}"


def micros_of(text: str) -> int:
    """What a decimal such as "0.0045" comes to. Raises ValueError, whose text is for people."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError("must be a number such as 0.0045")
    sign, units, places = match.groups()
    if len(places or "") > 6:
        raise ValueError("has more than six decimals, and nothing is rounded")
    micros = int(units) * 1_000_000 + int((places or "").ljust(6, "0"))
    return -micros if sign else micros
