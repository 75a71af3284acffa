"""Numbers and tables as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

_PREFIXES: Final = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def number(value: float, digits: int = 2) -> str:
    """So many digits that mean something, and commas."""
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return "never"
    rounded = float(f"{value:.{digits - 1}e}")
    places = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{0 if value == int(value) else max(0, places)}f}"


def amount(value: float, unit: str, digits: int = 2) -> str:
    """The same with a unit, thousands in its name."""
    for size, prefix in _PREFIXES:
        if abs(value) >= size * 0.9995:
            return f"{number(value / size, digits)} {prefix}{unit}"
    return f"{number(value, digits)} {unit}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of numbers: all columns but the first end on the right."""
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def prose(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of words."""
    return table(header, rows).replace("---:", "---")


def power(decade: int) -> str:
    """A power of ten."""
    return f"10{''.join('⁰¹²³⁴⁵⁶⁷⁸⁹'[int(digit)] for digit in str(decade))}"
