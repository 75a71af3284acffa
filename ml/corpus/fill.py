"""Fills a pattern: makes the choices, fills the slots, until only text is left."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from random import Random

_CAPITALS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_DIGITS = "0123456789"
_SMALL = "abcdefghijkmnpqrstuvwxyz0123456789"

_SLOT = re.compile(r"\{([^{}]*)\}")
_CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
_LINE_BREAK = r"\n"
_LINE_BREAKS = ("\n", "\n", " ", ", ", " | ")
_DEPTH_MAX = 8
_NOTATIONS = ("{0}", "{0}", "{0}.{1:02d}", "{0:,}", "{0:,}.{1:02d}", "{0:,}.{1:02d}")


def _drawn(random: Random, letters: str, count: str) -> str:
    return "".join(random.choice(letters) for _ in range(int(count)))


def _amount(random: Random, low: str, high: str) -> str:
    """A sum of money, evenly over the orders of magnitude, in one of the usual notations."""
    value = int(10 ** random.uniform(math.log10(int(low)), math.log10(int(high))))
    if random.random() < 0.45:
        value = max(int(low), round(value, -1 if value < 1000 else -2)) or int(low)
    cents = random.choice((0, 0, random.randint(0, 99)))
    notation = random.choice(_NOTATIONS)
    return notation.format(value, cents)


def _amount_european(random: Random, low: str, high: str) -> str:
    amount = _amount(random, low, high)
    if random.random() < 0.8:
        amount = amount.translate(str.maketrans(",.", ".,"))
    return amount


# What a slot may ask for with arguments: {digits 6}, {integer 1 28}, {amount 10 20000}.
DRAWN: Mapping[str, Callable[..., str]] = {
    "digits": lambda random, count: _drawn(random, _DIGITS, count),
    "capitals": lambda random, count: _drawn(random, _CAPITALS, count),
    "mixed": lambda random, count: _drawn(random, _CAPITALS + _DIGITS, count),
    "small": lambda random, count: _drawn(random, _SMALL, count),
    "integer": lambda random, low, high: str(random.randint(int(low), int(high))),
    "padded": lambda random, low, high: f"{random.randint(int(low), int(high)):02d}",
    "amount": _amount,
    "amount_european": _amount_european,
}


def fill(pattern: str, slots: Mapping[str, Sequence[str]], random: Random) -> str:
    """One message from a pattern. The same random state gives the same message."""
    text = pattern
    for _ in range(_DEPTH_MAX):
        while choice := _CHOICE.search(text):
            chosen = random.choice(choice[1].split("|"))
            text = text[: choice.start()] + chosen + text[choice.end() :]
        if "{" not in text:
            break
        text = _SLOT.sub(lambda match: _value(match.group(1), slots, random), text)
    if _LINE_BREAK in text:
        text = text.replace(_LINE_BREAK, random.choice(_LINE_BREAKS))
    text = re.sub(r"[ \t]+", " ", text)
    return re.sub(r" ([,.!?؟،])", r"\1", text).strip(" ,")


def _value(slot: str, slots: Mapping[str, Sequence[str]], random: Random) -> str:
    if slot in slots:
        return random.choice(slots[slot])
    name, *arguments = slot.split(" ")
    return DRAWN[name](random, *arguments)
