"""Owns what a phone number is: E.164, of a country, of a kind that a person can have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberType, ValidationResult


@dataclass(frozen=True)
class PhoneNumber:
    """A number in its one form. Its `repr` hides it, so that no log shows it by accident."""

    e164: str  # "+963944123456"
    country: str  # ISO 3166-1 alpha-2

    def __repr__(self) -> str:
        return f"PhoneNumber({self.country}, …{self.e164[-2:]})"


class BadPhoneNumber(ValueError):
    """This is no phone number of a person. The message says why, and never quotes it."""


# What people and programs put between digits: spaces of all kinds, hyphens, dots, brackets, and the
# invisible marks that come along when a number is copied out of Arabic or Hebrew text.
_SEPARATORS = re.compile(
    r"[\s\-.()/\u00ad\u061c\u2010-\u2015\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069]+"
)
_NUMBER = re.compile(r"[+＋]\d+")

# A code to a premium number would cost whoever has it sent; the others reach no one person.
_KINDS_OF_A_PERSON: Final = frozenset(
    {
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.VOIP,
        PhoneNumberType.PERSONAL_NUMBER,
    }
)

_LENGTH_PROBLEMS: Final = {
    ValidationResult.TOO_SHORT: "has too few digits for its country",
    ValidationResult.TOO_LONG: "has too many digits for its country",
    ValidationResult.INVALID_LENGTH: "has a number of digits that its country does not use",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "lacks its area code",
    ValidationResult.INVALID_COUNTRY_CODE: "begins with no country's code",
}


def parse_phone_number(text: str) -> PhoneNumber:
    """Read a number with a plus and a country code, in digits of any script.

    Raises BadPhoneNumber. The rules are those of libphonenumber, by the `phonenumbers` package.
    """
    compact = _SEPARATORS.sub("", text)
    if not compact.startswith(("+", "＋")):
        raise BadPhoneNumber(
            "The phone number must begin with a plus and the country's code, as in +963944123456."
        )
    if not _NUMBER.fullmatch(compact):
        raise BadPhoneNumber("The phone number must have digits, and nothing else, after the plus.")
    try:
        number = phonenumbers.parse(compact)
    except phonenumbers.NumberParseException as error:
        if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
            problem = _LENGTH_PROBLEMS[ValidationResult.INVALID_COUNTRY_CODE]
        else:
            problem = "has a number of digits that no country uses"
        raise BadPhoneNumber(f"The phone number {problem}.") from None
    problem = _LENGTH_PROBLEMS.get(phonenumbers.is_possible_number_with_reason(number), "")
    if problem:
        raise BadPhoneNumber(f"The phone number {problem}.")
    country = phonenumbers.region_code_for_number(number)
    kind = phonenumbers.number_type(number)
    if country is None or kind == PhoneNumberType.UNKNOWN:
        raise BadPhoneNumber("The phone number is in no range that its country has given out.")
    if len(country) != 2:
        raise BadPhoneNumber("The phone number belongs to no country.")
    if kind not in _KINDS_OF_A_PERSON:
        raise BadPhoneNumber("The phone number is not of a kind that a person has.")
    return PhoneNumber(
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), country
    )
