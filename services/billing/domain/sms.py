"""Owns how many segments an SMS has, as carriers count them (3GPP TS 23.038 and 23.040).

A text in the GSM 7-bit default alphabet has 160 septets in one message, 153 in each part of a
longer one; characters of the extension table take two, and are never split over two parts. Any
other text is UCS-2: 70 code units in one message, 67 in each part; a character beyond the basic
plane takes two, which are not split either. The part's header takes the difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

# 3GPP TS 23.038, section 6.2.1, without the escape to the extension table.
GSM_ALPHABET: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Section 6.2.1.1.
GSM_EXTENSION: Final = frozenset("\f^{}\\[~]|€")


class Segments(NamedTuple):
    """How a text travels."""

    number: int
    is_gsm: bool


def segments_of(text: str) -> Segments:
    """How many segments the text has: at least one, for an empty message is sent too."""
    is_gsm = all(character in GSM_ALPHABET or character in GSM_EXTENSION for character in text)
    if is_gsm:
        widths = [2 if character in GSM_EXTENSION else 1 for character in text]
        return Segments(_parts(widths, alone=160, each=153), is_gsm)
    widths = [2 if ord(character) > 0xFFFF else 1 for character in text]
    return Segments(_parts(widths, alone=70, each=67), is_gsm)


def _parts(widths: Iterable[int], alone: int, each: int) -> int:
    widths = list(widths)
    if sum(widths) <= alone:
        return 1
    parts, room = 1, each
    for width in widths:
        if width > room:
            parts, room = parts + 1, each
        room -= width
    return parts
