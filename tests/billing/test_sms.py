"""How many segments an SMS has, without a database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain.sms import GSM_ALPHABET, GSM_EXTENSION, segments_of


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", (1, True)),
        ("a" * 160, (1, True)),
        ("a" * 161, (2, True)),
        ("a" * 306, (2, True)),
        ("a" * 307, (3, True)),
        # The extension's characters take two septets.
        ("€" * 80, (1, True)),
        ("€" * 80 + "a", (2, True)),
        # Of 153 septets the last stays empty, for an escape is not torn from its character.
        ("€" * 153, (3, True)),
        ("a" * 153 + "€" * 76, (2, True)),
        ("a" * 153 + "€" * 77, (3, True)),
        # One character outside makes the whole text UCS-2.
        ("a" * 69 + "ç", (1, False)),
        ("a" * 70 + "ç", (2, False)),
        ("مرحبا" * 14, (1, False)),
        ("م" * 71, (2, False)),
        ("م" * 134, (2, False)),
        ("م" * 135, (3, False)),
        ("😀" * 35, (1, False)),
        ("😀" * 36, (2, False)),
        ("😀" * 66, (2, False)),
        ("😀" * 67, (3, False)),
    ],
)
def test_a_text_has_as_many_segments_as_carriers_count(
    text: str, segments: tuple[int, bool]
) -> None:
    assert segments_of(text) == segments


@given(st.text())
def test_segments_hold_the_text_and_one_less_would_not(text: str) -> None:
    count, is_gsm = segments_of(text)
    assert is_gsm == (set(text) <= GSM_ALPHABET | GSM_EXTENSION)
    units = (
        sum(1 + (c in GSM_EXTENSION) for c in text)
        if is_gsm
        else len(text.encode("utf-16")) // 2 - 1
    )
    alone, each = (160, 153) if is_gsm else (70, 67)
    assert (count == 1) == (units <= alone)
    if count > 1:
        # Each part may lose one unit to a character that is not torn.
        assert (count - 1) * (each - 1) < units <= count * each


def test_the_alphabet_is_the_standard_s() -> None:
    assert (len(GSM_ALPHABET), len(GSM_EXTENSION)) == (127, 10)
