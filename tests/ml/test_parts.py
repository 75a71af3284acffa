"""Messages are cut at sentences, and nothing of them is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.parts import PART_LENGTH_MAX, parts

pytestmark = pytest.mark.unit

SENTENCES = st.lists(st.text(alphabet="abc ؟.!\n|", max_size=60), max_size=8).map(" ".join)


def test_sentences_are_parts_once_they_are_long_enough() -> None:
    text = "Your order was delivered to your door today. Enjoy a discount on everything this week!"

    assert [text[start:end] for start, end in parts(text)] == [
        "Your order was delivered to your door today.",
        "Enjoy a discount on everything this week!",
    ]


def test_short_sentences_stay_together() -> None:
    assert len(parts("Hi. Ok. See you. Bye.")) == 1


def test_arabic_sentences_are_parts() -> None:
    assert (
        len(parts("هل وصلك الطلب الذي أرسلناه أمس إلى بيتك؟ نتمنى لك يوما سعيدا مع العائلة.")) == 2
    )


@given(SENTENCES)
def test_parts_cover_the_text_but_for_space(text: str) -> None:
    bounds = parts(text)

    covered = "".join(text[start:end] for start, end in bounds)
    assert _letters(covered) == _letters(text)
    assert bounds == sorted(bounds)
    assert all(start < end for start, end in bounds)


@given(st.text(alphabet="ab ", min_size=500, max_size=2000))
def test_a_text_without_sentences_is_cut_all_the_same(text: str) -> None:
    assert all(end - start <= 2 * PART_LENGTH_MAX for start, end in parts(text))


def _letters(text: str) -> str:
    return "".join(character for character in text if character not in " \n|")
