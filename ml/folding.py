"""Folds a text to what a reader sees: lower case, no accents, no invisible characters, one form."""

import re
import unicodedata

# Letters that Arabic, Persian and Urdu writers and keyboards use for one another.
_ARABIC_UNIFIED = str.maketrans(
    {"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ې": "ي", "ئ": "ي", "ؤ": "و",
     "ة": "ه", "ۀ": "ه", "ہ": "ه", "ھ": "ه", "ە": "ه", "ک": "ك", "ڪ": "ك", "گ": "ك", "ڤ": "ف",
     "پ": "ب", "چ": "ج", "ٮ": "ب"}
)  # fmt: skip
# Accents, Arabic and Hebrew vowel signs and variation selectors; not the vowels of Indic and Thai.
_MARKS = re.compile(
    r"[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    r"\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]"
)
_LINE_BREAKS = "\n\r\u2028\u2029"
_TATWEEL = "\u0640"


class _Folded(dict[int, str]):
    """What each character is folded to, worked out once when it is first met."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold(chr(code))
        return folded


def _fold(character: str) -> str:
    category = unicodedata.category(character)
    if character in _LINE_BREAKS:
        return "\n"
    if category == "Zs" or character == "\t":
        return " "
    if category in ("Cf", "Cc", "Co", "Cs", "Cn") or character == _TATWEEL:
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", character))
    plain = unicodedata.normalize("NFKC", plain).lower().translate(_ARABIC_UNIFIED)
    # Lower case can bring a mark back: İ becomes i and a dot above.
    return _MARKS.sub("", plain).replace(_TATWEEL, "")


_FOLDED = _Folded()


def fold(text: str) -> str:
    """The folded text. What folds to nothing, our own symbols among it, is gone."""
    if text.isascii() and text.isprintable():
        return text.lower()
    return text.translate(_FOLDED)
