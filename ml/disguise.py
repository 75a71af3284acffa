"""Finds and undoes what hides words from a filter but not from a reader, and names it."""

import re

# Look-alikes of Latin letters in Cyrillic, Greek, Armenian and Cherokee, after folding.
_LIKE_LATIN = dict(
    zip("асеорхуіјѕԁԛԝһвнкмтгпьиαβεηικνορτυχγωѵӏզոսցհյքօ",
        "aceopxyijsdqwhbhkmtrnbuabenikvoptuxywvlqnugnhjfo", strict=False)
)  # fmt: skip
_LIKE_CYRILLIC = dict(zip("aceopxyijsbhkmt", "асеорхуіјѕвнкмт", strict=True))
_FOREIGN = "\u0370-\u03ff\u0400-\u052f\u0530-\u058f\u13a0-\u13ff"
_FOREIGN_LETTER = re.compile(f"[{_FOREIGN}]")
_WORD_WITH_FOREIGN = re.compile(f"[a-z{_FOREIGN}]*[{_FOREIGN}][a-z{_FOREIGN}]*")
_LATIN_LETTER = re.compile("[a-z]")

_INVISIBLE_IN_WORD = re.compile(
    r"(?<=[^\W\d_])[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
    r"\U000e0000-\U000e007f]+(?=[^\W\d_])"
)
_NON_JOINER = "\u200c"
_ARABIC_LETTER = re.compile("[\u0620-\u06ff]")
_FANCY = re.compile(
    r"[\U0001d400-\U0001d7ff\uff01-\uff5e\u24b6-\u24e9\U0001f110-\U0001f189\u2070-\u209c"
    r"\u1d00-\u1d7f]"
)
_GAP = r"[ .\-_*·~|]{1,2}"
_SPACED_GAP = re.compile(_GAP)
_SPACED = re.compile(rf"(?<![^\W_])[^\W_](?:{_GAP}[^\W_](?![^\W_])){{3,}}")
_LEET_WORD = re.compile(
    r"[a-z]+[013457@$]+[a-z][a-z013457@$]*|[013457@$]+[a-z]{2,}[013457@$]*[a-z]+"
    r"|\b[a-z]{2,}33\b|\b[a-z]{3,}3\b"
)
_LEET = str.maketrans("013457@$", "oieastas")


def hidden(text: str) -> list[str]:
    """What is in a text as sent that folding takes away: names of the findings."""
    found = []
    if _FANCY.search(text):
        found.append("fancy")
    invisible = _INVISIBLE_IN_WORD.search(text)
    # Persian and Urdu put a zero-width non-joiner inside words by right.
    if invisible and not (
        invisible.group() == _NON_JOINER and _ARABIC_LETTER.match(text, invisible.end())
    ):
        found.append("invisible")
    return found


def lookalikes_undone(folded: str, found: list[str]) -> str:
    """Words that mix scripts, or are foreign by look alone, in the script they are read in."""
    foreign = len(_FOREIGN_LETTER.findall(folded))
    if not foreign:
        return folded
    latin_text = len(_LATIN_LETTER.findall(folded)) > foreign

    def undone(match: re.Match[str]) -> str:
        word = match.group()
        latin = len(_LATIN_LETTER.findall(word))
        if latin == 0 and not (latin_text and all(letter in _LIKE_LATIN for letter in word)):
            return word
        found.append("lookalikes")
        read_as = _LIKE_LATIN if latin_text or 2 * latin >= len(word) else _LIKE_CYRILLIC
        return "".join(read_as.get(letter, letter) for letter in word)

    return _WORD_WITH_FOREIGN.sub(undone, folded)


def spaced_undone(folded: str, found: list[str]) -> str:
    """Letters that stand apart, as a word."""

    def undone(match: re.Match[str]) -> str:
        letters = _SPACED_GAP.sub("", match.group())
        if letters.isdigit():
            return match.group()
        found.append("spaced")
        return letters

    return _SPACED.sub(undone, folded)


def leet_undone(folded: str, found: list[str]) -> str:
    """Digits and signs that stand for letters, as letters."""

    def undone(match: re.Match[str]) -> str:
        word = match.group()
        letters = len(_LATIN_LETTER.findall(word))
        if letters < len(word) - letters:
            return word
        found.append("leet")
        return word.translate(_LEET)

    return _LEET_WORD.sub(undone, folded)
