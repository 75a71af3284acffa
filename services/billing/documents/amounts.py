"""Owns how amounts are written in files: exact, without a currency."""

from __future__ import annotations


def decimal(micros: int) -> str:
    """Two places at least and six at most: 4500 is "0.0045", 1000000 "1.00"."""
    sign = "-" if micros < 0 else ""
    units, rest = divmod(abs(micros), 1_000_000)
    digits = f"{rest:06}"
    return f"{sign}{units}.{digits[:2]}{digits[2:].rstrip('0')}"


def grouped(micros: int) -> str:
    """The same for people, in groups of three: "12,500.00"."""
    units, _, places = decimal(abs(micros)).partition(".")
    return f"{'-' if micros < 0 else ''}{int(units):,}.{places}"
