"""Disguise is undone, numbers are reduced, and the key of a message changes with every letter."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml import symbols
from ml.figures import numbers_reduced
from ml.normalise import normalised_key, views

TEXTS = st.text(max_size=200)
LATIN_WORDS = st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=12)


@pytest.mark.parametrize(
    ("disguised", "plain", "evidence"),
    [
        ("FREE", "free", None),
        ("Ｆｒｅｅ ｇｉｆｔ", "free gift", "fancy"),
        ("𝓕𝓻𝓮𝓮 gift", "free gift", "fancy"),
        ("fr\u200bee gi\u2060ft", "free gift", "invisible"),
        ("frее gіft", "free gift", "lookalikes"),  # Cyrillic е and і
        ("Сlaim now", "claim now", "lookalikes"),
        ("сасса here and now", "cacca here and now", "lookalikes"),  # wholly Cyrillic, in English
        ("fr33 g1ft", "free gift", "leet"),
        ("w1n c4sh", "win cash", "leet"),
        ("F R E E gift", "free gift", "spaced"),
        ("f.r.e.e gift", "free gift", "spaced"),
        ("f-r-e-e gift", "free gift", "spaced"),
        ("gráfico número", "grafico numero", None),
        ("مبـــــروك ربحت", "مبروك ربحت", None),
        ("رَبِحْتَ جَائِزَة", "ربحت جائزه".replace("ئ", "ي"), None),
        ("أحمد إلى آخر", "احمد الي اخر", None),
        ("م ج ا ن ا الآن", "مجانا الان", "spaced"),
        ("sooooo gooood!!!!", "soo good!!", "exclaims much"),
        ("Привет, как дела", "привет, как дела", None),  # Russian is no disguise
        ("می\u200cخواهم", "ميخواهم", None),  # nor is the Persian non-joiner
    ],
)
def test_disguise_is_undone_and_told(disguised: str, plain: str, evidence: str | None) -> None:
    seen = views(disguised)

    assert seen.normalised == plain
    if evidence:
        assert evidence in seen.evidence
    else:
        assert not {"lookalikes", "invisible", "leet", "spaced", "fancy"} & set(seen.evidence)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("Rs.4,500.00 debited from XX1234", f"rs.0 debited from {symbols.MASKED_NUMBER}"),
        ("card ****4321 ok", f"card {symbols.MASKED_NUMBER} ok"),
        ("dial *123# now", "dial *0# now"),
        ("call 18001234567", "call 000"),
        ("code 482913", "code 00"),
        ("مبلغ ١٬٢٣٤٫٥٠ ريال", "مبلغ 0 ريال"),
        ("ref 4312AB99X1.", f"ref {symbols.REFERENCE} ."),
        ("use SAVE20 today", "use save0 today"),
        ("at bit.ly/a1B2", f"at {symbols.LINK_SHORTENED} bit"),
        ("https://secure-login.top/a1", f"{symbols.LINK_CHEAP_DOMAIN} secure login top"),
        ("wa.me/9715550000", f"{symbols.LINK_MESSENGER}"),
        ("http://10.0.0.1/x", f"{symbols.LINK_ADDRESS}"),
        ("see www.example.com/terms", f"see {symbols.LINK} example com terms"),
        ("me@example.com", f"{symbols.EMAIL}"),
        ("I am home.In the bath", "i am home.in the bath"),  # a forgotten space is no link
    ],
)
def test_numbers_and_links_are_reduced_to_what_they_are(text: str, normalised: str) -> None:
    assert views(text).normalised == normalised


@given(TEXTS)
def test_any_text_has_views(text: str) -> None:
    seen = views(text)

    assert "\n" not in seen.raw + seen.normalised
    assert seen.normalised == seen.normalised.lower()


@given(TEXTS)
def test_nobody_can_write_our_symbols(text: str) -> None:
    ours = {getattr(symbols, name) for name in dir(symbols) if name.isupper()} - {symbols.LINKS}
    written = text + "".join(ours)

    assert not ours & set(views("".join(ours)).normalised)
    assert views(written).normalised.count(symbols.MASKED_NUMBER) == views(text).normalised.count(
        symbols.MASKED_NUMBER
    )


@given(st.lists(LATIN_WORDS, min_size=1, max_size=8))
def test_plain_words_stay_as_they_are(words: list[str]) -> None:
    normalised = views(" ".join(words)).normalised
    # But for letters that repeat three times and more.
    for word in words:
        if not any(letter * 3 in word for letter in word):
            assert word in normalised


@given(LATIN_WORDS.filter(lambda word: not any(letter * 3 in word for letter in word)), st.data())
def test_an_invisible_character_changes_nothing_but_the_evidence(
    word: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(1, len(word) - 1))
    hidden = word[:at] + "\u200b" + word[at:]

    assert views(hidden).normalised == views(word).normalised
    assert "invisible" in views(hidden).evidence


@given(TEXTS)
def test_reducing_numbers_twice_changes_nothing_more(text: str) -> None:
    assert numbers_reduced(numbers_reduced(text)) == numbers_reduced(text)


@given(TEXTS, st.integers(0, 9999), st.integers(0, 9999))
def test_another_amount_has_the_same_key(text: str, one: int, other: int) -> None:
    assert normalised_key(f"{text} {one} SAR") == normalised_key(f"{text} {other} SAR")
    assert normalised_key(f"{text} Rs.{one}") == normalised_key(f"{text} Rs.{other}")


@given(st.text(min_size=1, max_size=60), st.data())
def test_a_changed_letter_has_another_key(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(exclude_categories=("Nd", "Nl", "No", "Cs")))
    changed = text[:at] + letter + text[at + 1 :]
    kept = [unicodedata.category(character)[0] for character in (text[at], letter)]

    if changed != text and "N" not in kept:
        assert normalised_key(changed) != normalised_key(text)


@given(
    st.text(alphabet="ab 01.,$xX*-/\n", max_size=40),
    st.text(alphabet="ab 01.,$xX*-/\n", max_size=40),
)
def test_equal_keys_mean_equal_views(one: str, other: str) -> None:
    if normalised_key(one) == normalised_key(other):
        assert views(one) == views(other)


def test_a_changed_digit_inside_a_word_has_another_key() -> None:
    assert normalised_key("w1n a car") != normalised_key("w0n a car")
