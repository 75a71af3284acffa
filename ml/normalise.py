"""Makes the two views of a message that everything after it reads.

The *raw* view keeps what was sent, letter by letter. The *normalised* view is what a person reads:
accents, invisible characters, look-alikes, leet and spaced letters undone, links reduced to what
they are. What had to be undone is *evidence* in its own right.

Before anything else numbers are reduced to their size, and only what is left is ever judged. So two
messages that differ in nothing but an amount are one message to the classifier: `normalised_key`
rests on that.
"""

import hashlib
import re
from dataclasses import dataclass

from ml import disguise, links, symbols
from ml.figures import numbers_reduced, size_sign
from ml.folding import fold

_MASKED = re.compile(r"(?<![^\W\d_])(?:[•●]+|x{2,}|(?<![\d*])\*+|\.{2,}|x+\*+)[- ]?\d+(?![\d*#])")
# Letters and at least three digits, but not a word with a number at its end.
_REFERENCE = re.compile(
    r"(?<![^\W_])(?=[a-z0-9]*\d[a-z]*\d[a-z]*\d)(?=\d*[a-z])(?![a-z]{3,}\d{1,4}(?![^\W_]))"
    r"[a-z0-9]{6,}(?![^\W_])"
)
_DIGITS = re.compile(r"\d+")
_LEET_SIGN = re.compile(r"[a-z][0-9@$]|[0-9@$][a-z]")
_REPEATED = re.compile(r"([^\W\d_])\1{2,}|([^\w\s])\2{2,}")
_SPACE = re.compile(r"\s+")
_CAPITALS = re.compile(r"\b[A-Z]{3,}\b")
_EMOJI = re.compile(r"[\u2600-\u27bf\u2b50\u2b55\U0001f300-\U0001faff]")


@dataclass(frozen=True, slots=True)
class Views:
    """One message, or a part of one, as the features read it."""

    raw: str
    normalised: str
    evidence: tuple[str, ...]


def views(text: str) -> Views:
    """Both views of a text and the evidence in it."""
    return views_of_reduced(numbers_reduced(text))


def views_of_reduced(text: str) -> Views:
    """The same for a text whose numbers are reduced already."""
    found: list[str] = []
    read = fold(text)
    if not text.isascii():
        found += disguise.hidden(text)
        read = disguise.lookalikes_undone(read, found)
    read = links.reduce(read)
    read = disguise.spaced_undone(read, found)
    if _DIGITS.search(read):
        read = _MASKED.sub(f" {symbols.MASKED_NUMBER} ", read)
        read = _REFERENCE.sub(f" {symbols.REFERENCE} ", read)
    if _LEET_SIGN.search(read):
        read = disguise.leet_undone(read, found)
    read = _DIGITS.sub(size_sign, read)
    read = _REPEATED.sub(lambda match: match.group()[:2], read)
    read = _SPACE.sub(" ", read).strip()
    raw = _SPACE.sub(" ", _DIGITS.sub(size_sign, text)).strip()
    return Views(raw, read, tuple(dict.fromkeys(found + _manner(text))))


def normalised_key(text: str) -> bytes:
    """Sixteen bytes, equal for texts that differ in nothing but digits of numbers of like size.

    Texts with equal keys get equal judgements, because a judgement reads nothing else. Any changed
    letter, sign or space gives another key.
    """
    reduced = numbers_reduced(text).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(reduced, digest_size=16).digest()


def _manner(text: str) -> list[str]:
    """How loudly a message speaks, in coarse steps."""
    manner = []
    exclamations = text.count("!")
    if exclamations:
        manner.append("exclaims" if exclamations == 1 else "exclaims much")
    capitals = _CAPITALS.findall(text)
    if len(capitals) >= 3 and 2 * sum(map(len, capitals)) > sum(map(str.isalpha, text)):
        manner.append("capitals")
    if not text.isascii():
        emoji = len(_EMOJI.findall(text))
        if emoji:
            manner.append("emoji" if emoji <= 2 else "emoji much")
    return manner
