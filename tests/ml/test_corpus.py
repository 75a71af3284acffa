"""The corpus is whole, malformed patterns are named, and a seed decides what is made of it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from ml.corpus.expand import Message, expand
from ml.corpus.fill import fill
from ml.corpus.patterns import (
    CORPUS,
    FOLDS,
    LABELS,
    CorpusError,
    digest,
    languages,
    read_language,
    read_patterns,
    read_slots,
)
from ml.scripts import Script, letters_by_script, script_of_language


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    return expand(seed=1)


def test_arabic_and_english_are_equally_rich() -> None:
    arabic, english = (read_language(code).patterns for code in ("ar", "en"))

    for label in LABELS:
        assert len(arabic[label]) > 0.8 * len(english[label]), label


def test_every_slot_is_filled_and_every_choice_made(messages: list[Message]) -> None:
    for message in messages:
        assert "{" not in message.text, message
        assert "|]" not in message.text, message
        assert "\\n" not in message.text, message


def test_every_pattern_of_every_language_is_used(messages: list[Message]) -> None:
    used = {message.place for message in messages}

    for code in languages():
        for patterns in read_language(code).patterns.values():
            unused = [pattern.place for pattern in patterns if pattern.place not in used]
            assert not unused


def test_no_message_has_two_labels(messages: list[Message]) -> None:
    labels: dict[str, set[str]] = {}
    for message in messages:
        labels.setdefault(message.text.casefold(), set()).add(message.label)

    assert not [text for text, found in labels.items() if len(found) > 1]


def test_a_seed_gives_the_same_messages_and_another_one_others() -> None:
    one, again, other = (expand(seed, only=("sw", "th")) for seed in (1, 1, 2))

    assert one == again != other


def test_a_pattern_is_in_one_fold_and_folds_are_alike(messages: list[Message]) -> None:
    folds: dict[str, set[int]] = {}
    for message in messages:
        folds.setdefault(message.place, set()).add(message.fold)

    assert all(len(found) == 1 for found in folds.values())
    sizes = Counter(message.fold for message in messages)
    assert set(sizes) == set(range(FOLDS))
    assert min(sizes.values()) > 0.6 * max(sizes.values())


def test_there_are_hard_pairs(messages: list[Message]) -> None:
    """The same notice as a notice, and as an advertisement with an offer behind it."""
    for code in ("ar", "en"):
        notices = {m.place for m in messages if m.language == code and m.label == "transactional"}
        offers = {m.place for m in messages if m.language == code and m.label == "promotional"}
        assert len(notices & offers) > 100


def test_messages_are_also_written_without_the_letters_of_their_language(
    messages: list[Message],
) -> None:
    for code in languages():
        letters = {chr(point) for point in read_language(code).manner.plain_letters}
        if not letters:
            continue
        of_language = [m.text for m in messages if m.language == code and len(m.text) > 60]
        plain = sum(not letters & set(text) for text in of_language)
        assert 0.2 < plain / len(of_language) < 0.8, code


def test_a_choice_may_hold_slots_and_nothing() -> None:
    made = {fill("a[ {x}|]b", {"x": ("1", "2")}, Random(seed)) for seed in range(40)}

    assert made == {"a 1b", "a 2b", "ab"}


def test_a_language_with_digits_of_its_own_uses_both_kinds(messages: list[Message]) -> None:
    hindi = [message.text for message in messages if message.language == "hi"]
    own = [text for text in hindi if re.search("[०-९]", text)]

    assert 0.02 < len(own) / len(hindi) < 0.2
    assert not [text for text in own if re.search("[A-Za-z][०-९]", text)]


def test_a_language_may_be_of_one_script_only(messages: list[Message]) -> None:
    """Hindi is written in two scripts, each a language of its own to the classifier."""
    for code, script in (("hi", Script.DEVANAGARI), ("hi-Latn", Script.LATIN)):
        texts = [message.text for message in messages if message.language == code]
        letters = letters_by_script(texts).sum(axis=0)
        assert script_of_language(code) == script
        assert letters.argmax() == script


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("== a ==\nHello {nobody}", r"transactional\.txt:2: there is no slot {nobody}"),
        ("Hello [you|me", r"transactional\.txt:1: a bracket is not closed"),
        ("# only a comment", r"transactional\.txt: no patterns"),
    ],
)
def test_what_is_malformed_is_named(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "transactional.txt").write_text(content)

    with pytest.raises(CorpusError, match=complaint):
        read_patterns(tmp_path, "transactional.txt", {"you": ("you",)})


def test_a_malformed_slot_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "slots.toml"
    path.write_text("name = [")

    with pytest.raises(CorpusError, match=r"slots\.toml"):
        read_slots(path)


def test_the_digest_changes_with_a_letter(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    before = digest(tmp_path)
    (tmp_path / "a.txt").write_text("two")

    assert digest(tmp_path) != before
    assert len(digest(CORPUS)) == 64
