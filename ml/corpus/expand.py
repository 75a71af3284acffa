"""Turns the patterns into messages: seeded, even over the patterns, with hard pairs and with the
variation of real writing.

Worth most are *hard pairs*: a notice, and the same notice with an offer appended, which is an
advertisement. Both patterns of such a message come from the same fold, so that no fold has seen
half of another's message.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ml.corpus.fill import fill
from ml.corpus.manner import currencies_exchanged, full_stop, varied
from ml.corpus.patterns import CORPUS, FOLDS, LABELS, Language, Pattern, languages, read_language

TEXT_LENGTH_MAX = 640


@dataclass(frozen=True, slots=True)
class Shares:
    """How many messages are made: for each pattern, and put together from several."""

    from_pattern: int = 3
    hard_pairs: float = 0.4  # appended offers, as a share of the notices


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the corpus."""

    text: str
    language: str
    label: str
    section: str
    place: str  # the pattern it comes from
    fold: int


def expand(
    seed: int = 1, shares: Shares | None = None, root: Path = CORPUS, only: Sequence[str] = ()
) -> list[Message]:
    """Every message of every language, in an order of its own. The same seed gives the same list.

    `only` names languages, where not all are wanted. Raises CorpusError where a pattern file is
    malformed.
    """
    found: dict[str, Message] = {}
    for code in only or languages(root):
        language = read_language(code, root)
        for message in _of_language(language, Random(f"{seed} {code}"), shares or Shares()):
            if 2 <= len(message.text) <= TEXT_LENGTH_MAX:
                found.setdefault(message.text.casefold(), message)
    messages = list(found.values())
    Random(seed).shuffle(messages)
    return messages


def _of_language(language: Language, random: Random, shares: Shares) -> Iterator[Message]:
    offers = _by_fold(language.offers)
    for label in LABELS:
        for pattern in language.patterns[label]:
            for _ in range(shares.from_pattern):
                text = _filled(pattern, language, random)
                yield _message(text, pattern, label, language, random)
    for pattern in language.patterns["transactional"]:
        if not offers[pattern.fold]:
            continue
        for _ in range(_rounded(shares.hard_pairs * shares.from_pattern, random)):
            notice = _filled(pattern, language, random)
            offer = _filled(random.choice(offers[pattern.fold]), language, random)
            yield _message(joined(notice, offer, random), pattern, "promotional", language, random)
    for pattern in language.offers:
        for _ in range(shares.from_pattern):
            yield _message(
                _filled(pattern, language, random), pattern, "promotional", language, random
            )


def _by_fold(patterns: Sequence[Pattern]) -> list[list[Pattern]]:
    return [[pattern for pattern in patterns if pattern.fold == fold] for fold in range(FOLDS)]


def _message(
    text: str, pattern: Pattern, label: str, language: Language, random: Random
) -> Message:
    text = varied(text, label, language, random)
    return Message(text, language.code, label, pattern.section, pattern.place, pattern.fold)


def _filled(pattern: Pattern, language: Language, random: Random) -> str:
    text = currencies_exchanged(pattern.text, language.manner, random)
    return fill(text, language.slots, random)


def joined(first: str, second: str, random: Random) -> str:
    """One text behind another, as people put them."""
    if first and first[-1] not in ".!?؟…।۔。！？":
        stop = full_stop(first)
        return first + random.choice((stop, stop, "\n", " ", " - ")) + second
    return first + random.choice((" ", " ", "\n")) + second


def _rounded(count: float, random: Random) -> int:
    return int(count) + (random.random() < count % 1)
