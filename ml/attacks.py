"""The disguises of spammers, made on purpose, so that what is lost to each of them can be measured.

Every attack takes a text and a source of chance and gives the text as somebody would send it who
wants people to read it and filters not to. An attack that has no hold on a text (leet in Thai)
gives it back as it was.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

Attack = Callable[[str, Random], str]

# A reader sees the same letters; by these shares of them attackers stay readable.
_LETTERS_SHARE = 0.3
_WORDS_SHARE = 0.4
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W\d_]{3,}")
_LINK = re.compile(r"(?:https?://|www\.)\S+|\b[\w-]+(?:\.[\w-]+)+(?:/\S*)?")
_ARABIC_LETTER = "[\u0620-\u064a]"
# Letters that join to the next one, between which a stroke may be drawn.
_JOINED = re.compile(rf"(?<=[بتثجحخسشصضطظعغفقكلمنهيئپچگکی])(?={_ARABIC_LETTER})")
_LOOKALIKES = dict(
    zip("aceopxyijsABCEHIKMOPTXасеорхуіАВСЕНКМОРТХ", "асеорхуіјѕАВСЕНІКМОРТХaceopxyiABCEHKMOPTX",
        strict=True)
) | {"ي": "ی", "ك": "ک", "ه": "ہ", "ی": "ي", "ک": "ك"}  # fmt: skip
_LEET = {"a": "4", "e": "3", "i": "1", "o": "0", "s": "5"}
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_ARABIC_VOWELS = "\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652"
_LATIN_ACCENTS = "\u0300\u0301\u0302\u0307\u0308\u0323\u0331"


def homoglyphs(text: str, random: Random) -> str:
    """Letters of another script that look the same."""
    return _by_letter(text, random, lambda letter: _LOOKALIKES.get(letter, letter))


def zero_width(text: str, random: Random) -> str:
    """Characters without width, and soft hyphens, after letters."""
    return _by_letter(text, random, lambda letter: letter + random.choice(_INVISIBLE))


def leet(text: str, random: Random) -> str:
    """Digits for Latin letters, in some words."""
    return _by_word(text, random, lambda word: "".join(_LEET.get(c.lower(), c) for c in word))


def spaced(text: str, random: Random) -> str:
    """Some words with a space behind every letter."""
    return _by_word(text, random, lambda word: f" {' '.join(word)} " if len(word) > 3 else word)


def fullwidth(text: str, random: Random) -> str:
    """Some words in the wide letters of East Asian typography."""
    return _by_word(
        text, random, lambda word: "".join(chr(ord(c) + 0xFEE0) if c < "\x7f" else c for c in word)
    )


def emoji_digits(text: str, _: Random) -> str:
    """Digits as keycaps."""
    return re.sub("[0-9]", lambda digit: digit.group() + "\ufe0f\u20e3", text)


def diacritics(text: str, random: Random) -> str:
    """Arabic strokes and vowel signs; accents on the letters of other scripts."""
    text = _JOINED.sub(lambda _: "\u0640" * (random.random() < _LETTERS_SHARE), text)
    return _by_letter(
        text,
        random,
        lambda letter: letter + random.choice(
            _ARABIC_VOWELS if re.match(_ARABIC_LETTER, letter)
            else _LATIN_ACCENTS if letter < "\u0530" else ("",)
        ),
    )  # fmt: skip


def mathematical(text: str, random: Random) -> str:
    """Some words in the bold letters of mathematics."""
    return _by_word(text, random, lambda word: "".join(_bold(letter) for letter in word))


def dotted(text: str, random: Random) -> str:
    """Some words with dots or hyphens between their letters."""

    def cut(word: str) -> str:
        return random.choice(".-_*").join(word) if len(word) > 3 else word

    return _by_word(text, random, cut)


def stretched(text: str, random: Random) -> str:
    """Some words with a letter drawn out, as in freeeee."""

    def stretch(word: str) -> str:
        at = random.randrange(1, len(word))
        return word[:at] + word[at] * random.randint(2, 5) + word[at:]

    return _by_word(text, random, stretch)


def bidi_controls(text: str, random: Random) -> str:
    """Marks of writing direction around some words and inside them."""

    def turned(word: str) -> str:
        at = random.randrange(1, len(word))
        return f"\u2068{word[:at]}\u200e{word[at:]}\u2069"

    return _by_word(text, random, turned)


DISGUISES: dict[str, Attack] = {
    "homoglyphs": homoglyphs,
    "zero width": zero_width,
    "leet": leet,
    "spaced letters": spaced,
    "fullwidth": fullwidth,
    "emoji digits": emoji_digits,
    "tatweel and diacritics": diacritics,
    "mathematical letters": mathematical,
    "dotted letters": dotted,
    "stretched words": stretched,
    "bidi controls": bidi_controls,
}


@dataclass(frozen=True, slots=True)
class Friendly:
    """Puts friendly text before or behind a message, in its language."""

    sentences: Mapping[str, Sequence[str]]  # by language

    def prepended(self, text: str, language: str, random: Random) -> str:
        """Courtesy first, then the message."""
        return f"{self._some(language, random)} {text}"

    def appended(self, text: str, language: str, random: Random) -> str:
        """The message first, then courtesy."""
        end = "" if text.rstrip()[-1:] in ".!?؟。！？…" else "."
        return f"{text.rstrip()}{end} {self._some(language, random)}"

    def _some(self, language: str, random: Random) -> str:
        known = self.sentences.get(language) or self.sentences["en"]
        return " ".join(
            sentence if sentence[-1] in ".!?؟。！？…" else f"{sentence}."
            for sentence in random.sample(known, min(3, len(known)))
        )


def _by_letter(text: str, random: Random, change: Callable[[str], str]) -> str:
    """The text with a share of its letters changed; links stay, or they would lead nowhere."""

    def changed(match: re.Match[str]) -> str:
        letter = match.group()
        return change(letter) if random.random() < _LETTERS_SHARE else letter

    return _outside_links(text, lambda piece: _LETTER.sub(changed, piece))


def _by_word(text: str, random: Random, change: Callable[[str], str]) -> str:
    """The text with a share of its words changed; links stay."""

    def changed(match: re.Match[str]) -> str:
        word = match.group()
        return change(word) if random.random() < _WORDS_SHARE else word

    return _outside_links(text, lambda piece: _WORD.sub(changed, piece))


def _outside_links(text: str, change: Callable[[str], str]) -> str:
    changed, position = [], 0
    for link in _LINK.finditer(text):
        changed += [change(text[position : link.start()]), link.group()]
        position = link.end()
    return "".join([*changed, change(text[position:])])


def _bold(letter: str) -> str:
    for first, bold in (("a", 0x1D41A), ("A", 0x1D400)):
        if 0 <= ord(letter) - ord(first) < 26:
            return chr(bold + ord(letter) - ord(first))
    return letter
