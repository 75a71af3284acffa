"""A disguise changes what is sent, keeps what is read, and is undone before anything is judged."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.attacks import DISGUISES, Friendly
from ml.evaluate import Asked
from ml.measuring import ENDED, disguised
from ml.normalise import views

ENGLISH = "Mega discount this weekend on every single handbag, visit shop.example.com/sale today"
ARABIC = "خصومات كبيرة هذا الأسبوع على جميع الحقائب والأحذية"
# What only normalising undoes; the others leave something for the model to see through.
UNDONE = ("zero width", "fullwidth", "tatweel and diacritics", "mathematical letters",
          "bidi controls", "homoglyphs")  # fmt: skip


@pytest.mark.parametrize("name", DISGUISES)
def test_a_disguise_changes_an_advertisement(name: str) -> None:
    text = "Call 555 2010 now. " + ENGLISH

    assert DISGUISES[name](text, Random(1)) != text


@pytest.mark.parametrize("name", DISGUISES)
def test_a_seed_decides_what_is_changed(name: str) -> None:
    assert DISGUISES[name](ENGLISH, Random(7)) == DISGUISES[name](ENGLISH, Random(7))


@pytest.mark.parametrize("name", DISGUISES)
def test_links_still_lead_where_they_led(name: str) -> None:
    assert "shop.example.com/sale" in DISGUISES[name](ENGLISH, Random(3))


@pytest.mark.parametrize("name", UNDONE)
@pytest.mark.parametrize("text", [ENGLISH, ARABIC])
def test_normalising_undoes_it(name: str, text: str) -> None:
    for seed in range(20):
        disguised = DISGUISES[name](text, Random(seed))
        assert views(disguised).normalised == views(text).normalised, ascii(disguised)


@pytest.mark.parametrize("name", DISGUISES)
@given(text=st.text(max_size=60), seed=st.integers(0, 99))
def test_anything_can_be_disguised(name: str, text: str, seed: int) -> None:
    assert isinstance(DISGUISES[name](text, Random(seed)), str)


def test_courtesy_comes_in_the_language_of_the_message() -> None:
    friendly = Friendly({"en": ["How are you"], "ar": ["كيف حالك؟"]})

    assert friendly.prepended("Buy", "ar", Random(1)) == "كيف حالك؟ Buy"
    assert friendly.appended("Buy", "en", Random(1)) == "Buy. How are you."
    assert friendly.appended("Buy!", "sw", Random(1)) == "Buy! How are you."


@pytest.mark.parametrize(("text", "language"), [(ENGLISH, "en"), (ARABIC, "ar")])
def test_what_notices_end_with_comes_in_the_language_of_the_message(
    text: str, language: str
) -> None:
    ended = disguised(ENDED, Asked(text, language, "promotional", "test"))
    ending = ended.removeprefix(f"{text}. ")

    assert ending != ended, "the message stands first, as it was"
    assert not set("{}[]|") & set(ending), "nothing of the pattern is left"
    assert any("\u0620" <= letter <= "\u064a" for letter in ending) == (language == "ar")
