"""Which script a text is written in, and which scripts the languages we know are written in."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Script(IntEnum):
    """The scripts told apart; every other letter is OTHER."""

    NONE = 0
    OTHER = 1
    LATIN = 2
    ARABIC = 3
    CYRILLIC = 4
    GREEK = 5
    HEBREW = 6
    DEVANAGARI = 7
    THAI = 8
    HAN = 9


_RANGES = (
    (Script.LATIN, 0x41, 0x24F), (Script.GREEK, 0x370, 0x3FF), (Script.CYRILLIC, 0x400, 0x52F),
    (Script.HEBREW, 0x590, 0x5FF), (Script.ARABIC, 0x600, 0x6FF), (Script.ARABIC, 0x750, 0x77F),
    (Script.DEVANAGARI, 0x900, 0x97F), (Script.THAI, 0xE00, 0xE7F), (Script.LATIN, 0x1E00, 0x1EFF),
    (Script.HAN, 0x3400, 0x9FFF),
)  # fmt: skip
_SCRIPT_OF_LANGUAGE = {
    "ar": Script.ARABIC, "fa": Script.ARABIC, "ur": Script.ARABIC, "ru": Script.CYRILLIC,
    "uk": Script.CYRILLIC, "el": Script.GREEK, "he": Script.HEBREW, "hi": Script.DEVANAGARI,
    "th": Script.THAI, "zh": Script.HAN,
}  # fmt: skip


def _table() -> NDArray[np.uint8]:
    table = np.full(0x10000 + 1, Script.NONE, np.uint8)
    table[[code for code in range(0x10000) if chr(code).isalpha()]] = Script.OTHER
    letters = table == Script.OTHER
    for script, first, last in _RANGES:
        table[first : last + 1][letters[first : last + 1]] = script
    table[0xE000:0xF900] = Script.NONE  # our own symbols
    return table


_TABLE = _table()


def script_of_language(language: str) -> Script:
    """The script a language is written in; Latin where nothing else is known."""
    return _SCRIPT_OF_LANGUAGE.get(language, Script.LATIN)


def letters_by_script(texts: Sequence[str]) -> NDArray[np.intp]:
    """For each text a row with the number of its letters in each script."""
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    script = _TABLE[np.minimum(points, 0x10000)]
    cells = np.bincount(owner * len(Script) + script, minlength=len(texts) * len(Script))
    rows = cells.reshape(len(texts), len(Script))
    rows[:, Script.NONE] = 0
    return rows
