"""Reduces numbers to their size, so that a message is the same message with another amount."""

import re

_CURRENCIES = "rs|inr|kes|ksh|ngn|n|r|p|php|rm|sr|sar|aed|dhs|egp|us|usd|eur|gbp|ugx|tsh|ghs"
_UNITS = "st|nd|rd|th|am|pm|gb|mb|kb|hrs?|mins?|kg|km|cm|mm|ml|days?|x|h|d|k|m|g|mt|mzn"
_NUMBER = re.compile(
    rf"(?<![^\W_])((?:{_CURRENCIES}|xx+)?)(\d+(?:[.,٫٬]\d+)*)((?:{_UNITS})?)(?![^\W_])",
    re.IGNORECASE,
)
# Four groups, but not a sum of thousands.
_ADDRESS = re.compile(r"(?!\d{1,3}(?:\.\d{3}){3})\d{1,3}(?:\.\d{1,3}){3}")
_SEPARATORS = str.maketrans(",٫٬", "...")
_THOUSANDS_DIGITS = 3


def numbers_reduced(text: str) -> str:
    """The text with every number that stands by itself, or at its currency or unit, as zeros.

    One zero stands for up to four digits, five for up to eight, nine for more; decimals are
    dropped. Numbers inside words stay, for they may stand for letters. All else stays as it is.
    """
    return _NUMBER.sub(lambda match: match[1] + _zeros(match[2]) + match[3], text)


def _zeros(number: str) -> str:
    if _ADDRESS.fullmatch(number):
        return "0.0.0.0"  # noqa: S104 - not an address to listen on, but any address
    digits = len(number)
    if not number.isdigit():
        whole, _, last = number.translate(_SEPARATORS).rpartition(".")
        whole = whole + last if len(last) == _THOUSANDS_DIGITS else whole
        digits = len(whole.replace(".", ""))
    return "0" * (1 if digits <= 4 else 5 if digits <= 8 else 9)


def size_sign(match: re.Match[str]) -> str:
    """One, two or three zeros for a run of digits, by the same measure."""
    digits = len(match.group())
    return "0" * (1 if digits <= 4 else 2 if digits <= 8 else 3)
