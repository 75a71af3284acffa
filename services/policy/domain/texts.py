"""Owns what can be told of a text by looking at it: its language, its words, its links."""

from __future__ import annotations

import re

_ARABIC = re.compile("[\u0620-\u064a]")
# Letters of Persian, Urdu, Kurdish and Pashto that Arabic does not have.
_NOT_ARABIC = re.compile(
    "[\u067e\u0686\u0698\u06a9\u06af\u06cc\u0679\u0688\u0691\u06ba\u06be\u06c1\u06d2\u06d5]"
)
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_LINK = re.compile(
    r"(?:https?:/|www\.)\S+|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,12}(?:/\S*|\b(?=\s|$|[،,!?]))",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?:\d[ -]?){4,}|\b(?=[A-Z0-9-]*\d)[A-Z0-9]{2,}(?:-[A-Z0-9]+)*\b")


def language_of(text: str) -> str:
    """The language in which policy answers: "ar" for a text mostly in Arabic, otherwise "en"."""
    letters = len(_LETTER.findall(text))
    arabic = len(_ARABIC.findall(text))
    foreign = len(_NOT_ARABIC.findall(text))
    return "ar" if 2 * arabic > letters and 20 * foreign <= arabic else "en"


def words_of(text: str) -> list[str]:
    """The words of a text: runs of letters."""
    return _WORD.findall(text)


def links_of(text: str) -> list[tuple[int, int]]:
    """Where the links in a text begin and end."""
    if "." not in text and ":/" not in text:
        return []
    return [match.span() for match in _LINK.finditer(text)]


def has_code(text: str) -> bool:
    """Whether there is something that could be a one-time code: digits of any script, or capitals
    and digits.
    """
    return _CODE.search(text) is not None
