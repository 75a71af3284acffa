"""Owns the fonts of documents: which there are, which letters each has, and which a text needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import fontpkg_fira_sans
import fontpkg_ibm_plex_sans_arabic
import fontpkg_noto_sans_devanagari
import fontpkg_noto_sans_thai
import uharfbuzz

_FIRA: Final = fontpkg_fira_sans.ROOT / "files"
_PLEX: Final = fontpkg_ibm_plex_sans_arabic.ROOT / "files"
_THAI: Final = fontpkg_noto_sans_thai.ROOT / "files" / "NotoSansThai[wdth,wght].ttf"
_DEVANAGARI: Final = (
    fontpkg_noto_sans_devanagari.ROOT / "files" / "NotoSansDevanagari[wdth,wght].ttf"
)


class Font(NamedTuple):
    """A font in two weights. Where one file has all weights, the regular one stands for both: to
    take another out of it costs seconds.
    """

    name: str
    regular: Path
    bold: Path


class NotPrintable(Exception):
    """A text has letters that no font has: they would be boxes."""

    def __init__(self, letters: str) -> None:
        super().__init__(letters)
        self.letters = letters


# Latin, Cyrillic, Greek, and everything that a document says in numbers.
MAIN: Final = Font("Fira", _FIRA / "FiraSans-Regular.ttf", _FIRA / "FiraSans-Medium.ttf")
_OTHERS: Final = (
    Font("Plex", _PLEX / "IBMPlexSansArabic-Regular.ttf", _PLEX / "IBMPlexSansArabic-SemiBold.ttf"),
    Font("Thai", _THAI, _THAI),
    Font("Devanagari", _DEVANAGARI, _DEVANAGARI),
)


def fonts_beside_main(texts: Iterable[str]) -> Iterator[Font]:
    """The fonts of the letters that the main one does not have, of which there may be none.

    Raises NotPrintable.
    """
    missing = {ord(letter) for text in texts for letter in text} - _letters(MAIN)
    for font in _OTHERS:
        if found := missing & _letters(font):
            missing -= found
            yield font
    if missing:
        raise NotPrintable("".join(map(chr, sorted(missing))))


@cache
def _letters(font: Font) -> frozenset[int]:
    faces = (uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(file))) for file in font[1:])
    regular, bold = (frozenset(face.unicodes) for face in faces)
    return regular & bold
