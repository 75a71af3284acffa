"""Takes out of a text what tells whose it is, before the text is kept.

Long numbers, names of mailboxes and accounts, and what a link carries beyond its words go; what the
classifier reads of a message stays the same. Names in running text are not found.
"""

import re
import unicodedata

DIGITS_MIN = 7  # a telephone number, a card, an account; no price and no code is as long
_DIGITS_KEPT = 2
_SECRET_SEGMENT_LENGTH_MIN = 5

# Digits with at most two signs between them, as people group them.
_NUMBER = re.compile(rf"\d(?:[ \u00a0.()/-]{{0,2}}\d){{{DIGITS_MIN - 1},}}")
_DIGIT = re.compile(r"\d")
_MAILBOX = re.compile(r"[\w.%+-]+@(?=[^\W\d_])")
_ACCOUNT = re.compile(r"(?<![\w@])@\w{2,}")
_LINK = re.compile(
    r"(?:https?://|www\.)[^\s<>\"'،؛]+|(?<![\w@.])(?:[\w-]+\.)+[a-z]{2,12}[/?][^\s<>\"'،؛]*",
    re.IGNORECASE,
)
_CLOSING = re.compile(r"[.,;:!?)\]»…。！？]*$")
_SEGMENT = re.compile(r"(?<=/)[^/]+")


def pseudonymised(text: str) -> str:
    """The text without them. Doing it twice changes nothing."""
    if "." in text or "/" in text:
        text = _LINK.sub(lambda match: _bare(match[0]), text)
    if "@" in text:
        before = ""
        while before != text:  # after a sign, a new name may look like the host of a mailbox
            before, text = text, _ACCOUNT.sub("@name", _MAILBOX.sub("name@", text))
    return _NUMBER.sub(lambda match: _zeroed(match[0]), text)


def _zeroed(number: str) -> str:
    """The first digits stay, for they tell a kind of number; the others are the script's zero."""
    seen = 0

    def zero(match: re.Match[str]) -> str:
        nonlocal seen
        seen += 1
        digit = match[0]
        return digit if seen <= _DIGITS_KEPT else chr(ord(digit) - unicodedata.decimal(digit))

    return _DIGIT.sub(zero, number)


def _bare(link: str) -> str:
    """Scheme, host and readable path of a link; who is asked and what for is gone."""
    closing = _CLOSING.search(link)
    end = closing[0] if closing else ""
    kept = re.split(r"[?#]", link.removesuffix(end), maxsplit=1)[0]
    scheme, found, rest = kept.rpartition("://")
    host, slash, path = rest.partition("/")
    return scheme + found + host + _SEGMENT.sub(_segment, slash + path) + end


def _segment(match: re.Match[str]) -> str:
    segment = match[0]
    secret = len(segment) >= _SECRET_SEGMENT_LENGTH_MIN and _DIGIT.search(segment)
    return "0" if secret else segment
