"""Cuts a message into parts, each judged by itself, so that courtesy cannot hide an offer."""

import re

PART_LENGTH_MIN = 30
PART_LENGTH_MAX = 240

# Chinese and Japanese put no space after a sentence; Thai puts a space after a clause and no mark.
_SENTENCE_END = re.compile(
    r"(?<=[.!?؟。！？…])[\"')\]]?\s+|(?<=[。！？])(?=\S)|\s*[\n\r]+\s*|\s+[|•]\s+"
    r"|(?<=[\u0e00-\u0e7f])\s+(?=[\u0e00-\u0e7f])"
)
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_WIDE_LETTERS = 3  # about as many letters as one such character says
_SPACE = re.compile(r"\s+")


def parts(text: str) -> list[tuple[int, int]]:
    """Where the parts of a text begin and end: whole sentences, taken together until they are long
    enough to tell anything, and cut at a space where a sentence is very long.

    The parts cover the text but for the space between them. One part means: nothing to cut.
    """
    bounds: list[tuple[int, int]] = []
    start = 0
    for end, following in [*((gap.start(), gap.end()) for gap in _SENTENCE_END.finditer(text)),
                           (len(text), len(text))]:  # fmt: skip
        if _length(text, start, end) < PART_LENGTH_MIN and following < len(text):
            continue
        bounds.extend(_cut(text, start, end))
        start = following
    if len(bounds) > 1 and _length(text, *bounds[-1]) < PART_LENGTH_MIN:
        last = bounds.pop()
        bounds[-1] = (bounds[-1][0], last[1])
    return bounds


def _length(text: str, start: int, end: int) -> int:
    """How much is said there, in letters."""
    return end - start + (_WIDE_LETTERS - 1) * len(_WIDE.findall(text, start, end))


def _cut(text: str, start: int, end: int) -> list[tuple[int, int]]:
    cuts = []
    while end - start > PART_LENGTH_MAX:
        spaces = [
            gap.start()
            for gap in _SPACE.finditer(text, start + PART_LENGTH_MIN, start + PART_LENGTH_MAX)
        ]
        cut = spaces[-1] if spaces else start + PART_LENGTH_MAX
        cuts.append((start, cut))
        start = cut
    return [*cuts, (start, end)] if end > start else cuts
