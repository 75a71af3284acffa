"""What is a person's phone number, and its one form."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.domain.phone_numbers import (
    BadPhoneNumber,
    PhoneNumber,
    parse_phone_number,
)

ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
SEPARATORS = st.sampled_from(["", " ", "  ", "-", ".", "\u00a0", "\u200f", "\u202a", "\t", "("])
COUNTRIES = st.sampled_from(["SY", "EG", "SA", "DE", "GB", "US", "IN", "BR", "KZ", "ID"])


@pytest.mark.parametrize(
    ("written", "e164", "country"),
    [
        ("+963944123456", "+963944123456", "SY"),
        ("+963 944 123 456", "+963944123456", "SY"),
        ("+٩٦٣٩٤٤١٢٣٤٥٦", "+963944123456", "SY"),
        ("+٩٦٣ ٩٤٤ ١٢٣ ٤٥٦", "+963944123456", "SY"),
        ("\u200f+۹۶۳۹۴۴۱۲۳۴۵۶\u200e", "+963944123456", "SY"),
        ("\u202a+963\u202c-944.123.456", "+963944123456", "SY"),
        ("＋963944123456", "+963944123456", "SY"),
        ("+963 (0) 944 123 456", "+963944123456", "SY"),
        ("+1 (202) 555-0123", "+12025550123", "US"),
        ("+77012345678", "+77012345678", "KZ"),
        ("+79123456789", "+79123456789", "RU"),
        ("+442079460000", "+442079460000", "GB"),
    ],
)
def test_every_spelling_has_one_form(written: str, e164: str, country: str) -> None:
    assert parse_phone_number(written) == PhoneNumber(e164, country)


@given(country=COUNTRIES, gaps=st.lists(SEPARATORS, min_size=20, max_size=20), script=st.data())
def test_separators_and_scripts_change_nothing(
    country: str, gaps: list[str], script: st.DataObject
) -> None:
    example = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    assert example is not None
    e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    digits = script.draw(st.sampled_from([{}, ARABIC, PERSIAN]))
    written = "".join(a + b for a, b in zip(e164.translate(digits), gaps, strict=False))
    assert parse_phone_number(written) == PhoneNumber(e164, country)


@given(st.text(max_size=32))
def test_whatever_is_written_either_parses_or_is_refused_without_being_quoted(text: str) -> None:
    problem = ""
    try:
        number = parse_phone_number(text)
        assert parse_phone_number(number.e164) == number
    except BadPhoneNumber as error:
        problem = str(error)
    digits = [character for character in text if character.isdigit()]
    assert len(digits) < 5 or text not in problem


def test_a_number_does_not_show_itself() -> None:
    number = parse_phone_number("+963944123456")
    for text in (repr(number), str(number), f"{number}", f"{[number]}"):
        assert "9441234" not in text
