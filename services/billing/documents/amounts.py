"""Owns how amounts are written for people: exact, without a currency."""

from __future__ import annotations

from services.billing.domain.money import decimal


def grouped(micros: int) -> str:
    """In groups of three: "12,500.00"."""
    units, _, places = decimal(abs(micros)).partition(".")
    return f"{'-' if micros < 0 else ''}{int(units):,}.{places}"
