"""A sender is told what was found and what to do, in Arabic or English, and no number."""

from __future__ import annotations

import pytest

from ml.judgement import Abstention, Judgement
from ml.sentences import ARABIC, ENGLISH, told
from tests.ml.test_report import THRESHOLDS


@pytest.mark.parametrize(
    ("promotional", "scam", "key"),
    [(0.9, 0.05, "promotional"), (0.05, 0.9, "scam"), (0.1, 0.1, "allowed")],
)
def test_the_sentence_is_of_the_class_and_in_the_language(
    promotional: float, scam: float, key: str
) -> None:
    for language, sentences in (("en", ENGLISH), ("ar", ARABIC), ("sw", ENGLISH)):
        judgement = Judgement(promotional, scam, 1 - promotional - scam, 0.0, language)
        assert told("text", judgement, THRESHOLDS) == [sentences[key]]


def test_hidden_words_are_named_where_a_message_is_stopped() -> None:
    stopped, allowed = Judgement(0.9, 0, 0.1, 0, "ar"), Judgement(0.1, 0, 0.9, 0, "ar")
    hidden = "د\u200bيسكا\u200bونت كبير على ا\u200bلأحذية"

    assert told(hidden, stopped, THRESHOLDS) == [ARABIC["promotional"], ARABIC["disguised"]]
    assert told(hidden, allowed, THRESHOLDS) == [ARABIC["allowed"]]


def test_without_a_judgement_nothing_is_claimed() -> None:
    judgement = Judgement(0, 0, 0, 0, "und", Abstention.TOO_LITTLE_TEXT)

    assert told("👍", judgement, THRESHOLDS) == [ENGLISH["abstained"]]


def test_both_languages_say_the_same_things_and_no_number() -> None:
    assert ENGLISH.keys() == ARABIC.keys()
    assert not [text for text in (*ENGLISH.values(), *ARABIC.values())
                if any(letter.isdigit() for letter in text)]  # fmt: skip
