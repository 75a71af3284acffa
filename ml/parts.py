"""Cuts a message into parts, each judged by itself, so that courtesy cannot hide an offer."""

import re

PART_LENGTH_MIN = 30
PART_LENGTH_MAX = 240

_SENTENCE_END = re.compile(r"(?<=[.!?؟。！？…])[\"')\]]?\s+|\s*[\n\r]+\s*|\s+[|•]\s+")
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
        if end - start < PART_LENGTH_MIN and following < len(text):
            continue
        bounds.extend(_cut(text, start, end))
        start = following
    if len(bounds) > 1 and bounds[-1][1] - bounds[-1][0] < PART_LENGTH_MIN:
        last = bounds.pop()
        bounds[-1] = (bounds[-1][0], last[1])
    return bounds


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
