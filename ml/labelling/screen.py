"""How a message and the model's opinion of it look on a terminal, in either writing direction.

A message is somebody else's text: what would steer the terminal or turn the writing around is shown
as a name, never obeyed.
"""

import unicodedata
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.text import Text

from ml.judgement import Explanation
from ml.labelling.queue import Item

KEYS = "p promotional  s scam  t transactional  n personal  space skip  u undo  q quit"
_RIGHT_TO_LEFT = ("R", "AL")
_ISOLATE = {True: "\u2067", False: "\u2066"}  # right to left, left to right
_END_OF_ISOLATE = "\u2069"
_JOINERS = "\u200c\u200d"  # Persian and Indic writing, and emoji, need them


def right_to_left(text: str) -> bool:
    """Whether the first letter that has a direction is written from the right (UAX #9, P2)."""
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction in (*_RIGHT_TO_LEFT, "L"):
            return direction in _RIGHT_TO_LEFT
    return False


def visible(character: str) -> str:
    """The character, or the name of its code where it would not be seen, or be obeyed."""
    if character == "\n" or character in _JOINERS:
        return character
    if unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"):
        return f"‹U+{ord(character):04X}›"
    return character


def message(text: str, explanation: Explanation | None, console: Console) -> Iterator[Text]:
    """The lines of a message with the words that weighed most marked, each in its direction."""
    marked = [False] * len(text)
    for span in explanation.spans if explanation else ():
        marked[span.start : span.end] = [True] * (span.end - span.start)
    unwanted = explanation is not None and explanation.judgement.unwanted >= 0.5
    style = "bold red" if unwanted else "bold green"
    shown = Text()
    # A style changes between words only, so that the letters of a word stay joined.
    for mark, run in groupby(zip(text, marked, strict=True), key=itemgetter(1)):
        shown.append("".join(visible(letter) for letter, _ in run), style if mark else None)
    width = max(console.width - 4, 20)
    for paragraph in shown.split("\n", allow_blank=True):
        from_right = right_to_left(paragraph.plain)
        for line in paragraph.wrap(console, width):
            line.rstrip()
            indent = width - line.cell_len if from_right else 0
            # Each line is an island, so that it turns nothing around it.
            yield (
                Text("  " + " " * indent + _ISOLATE[from_right])
                .append(line)
                .append(_END_OF_ISOLATE)
            )


def page(
    item: Item, place: tuple[int, int], explanation: Explanation | None, console: Console
) -> RenderableType:
    """All that a reviewer sees of one message."""
    title = f"{place[0]:,} of {place[1]:,}"
    known = [item.why, item.language, f"{item.alike:,} alike" if item.alike > 1 else ""]
    return Group(
        Rule(title, align="left"),
        Text(" · ".join(filter(None, known)), "dim"),
        Text(),
        *message(item.text, explanation, console),
        Text(),
        *_opinion(explanation),
        Text(KEYS, "dim"),
    )


def _opinion(explanation: Explanation | None) -> Iterator[Text]:
    if explanation is None:
        return
    judgement = explanation.judgement
    if judgement.abstention:
        yield Text(f"The model says nothing: {judgement.abstention}.", "yellow")
        return
    shares = [(label, getattr(judgement, label))
              for label in ("promotional", "scam", "transactional", "personal")]  # fmt: skip
    shares.sort(key=lambda share: -share[1])
    told = ", ".join(f"{label} {share:.0%}" for label, share in shares if share >= 0.005)
    yield Text(f"The model: {told}", "bold")
