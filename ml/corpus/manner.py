"""How real writing varies: currencies, endings, capitals, abbreviations, slips of the thumb."""

import re
from random import Random

from ml.corpus.fill import fill
from ml.corpus.patterns import Language, Manner

_LINK_LIKE = re.compile(r"/|\..")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_THAI = re.compile(r"[\u0e00-\u0e7f]")
_AFTER_WIDE_MARK = re.compile(r"(?<=[，。！？：；、】～]) +")
_SLIPS = {"transactional": 0.04, "promotional": 0.05, "scam": 0.13, "personal": 0.12}
_CAPITALS = {"transactional": 0.04, "promotional": 0.06, "scam": 0.08, "personal": 0.03}
_SMALL_LETTERS = {"transactional": 0.05, "promotional": 0.04, "scam": 0.14, "personal": 0.35}
_PLAIN_LETTERS = {"transactional": 0.30, "promotional": 0.25, "scam": 0.25, "personal": 0.35}


def currencies_exchanged(pattern: str, manner: Manner, random: Random) -> str:
    """Another currency throughout a pattern, at times, so that no wording is tied to one."""
    local = any(name in pattern.lower() for name in manner.payments_of_one_country)
    if local or random.random() > 0.35:
        return pattern
    other = random.choice(manner.currencies)
    return re.sub(r"\{(?:" + "|".join(manner.currencies) + r")\}", f"{{{other}}}", pattern)


def varied(text: str, label: str, language: Language, random: Random) -> str:
    """The message as one of many writers would have put it."""
    if label == "personal":
        text = _as_people_write(text, language, random)
    else:
        text = _as_businesses_write(text, label, language, random)
    plain_letters = language.manner.plain_letters
    if plain_letters and random.random() < _PLAIN_LETTERS[label]:
        text = text.translate(plain_letters)
    draw = random.random()
    if draw < _CAPITALS[label]:
        text = " ".join(
            word if _LINK_LIKE.search(word) else word.upper() for word in text.split(" ")
        )
    elif draw < _CAPITALS[label] + _SMALL_LETTERS[label]:
        text = text.lower().replace("i\u0307", "i")  # of the Turkish capital with a dot
    if random.random() < _SLIPS[label]:
        text = _slipped(text, random)
    if random.random() < language.manner.own_digits_share:
        text = _in_own_digits(text, language.manner.own_digits)
    return _AFTER_WIDE_MARK.sub("", re.sub(r" +", " ", text)).strip()


def full_stop(text: str) -> str:
    """What parts two sentences: Chinese has a stop of its own, Thai a mere space."""
    if _CHINESE.search(text):
        return "。"
    return " " if _THAI.search(text) else ". "


def _in_own_digits(text: str, own_digits: str) -> str:
    """The numbers in the digits of the script; links and references keep theirs, as they must."""
    digits = str.maketrans("0123456789", own_digits)
    return " ".join(
        word if re.search(r"[A-Za-z]|\w\.[a-z]", word) else word.translate(digits)
        for word in text.split(" ")
    )


def _as_people_write(text: str, language: Language, random: Random) -> str:
    manner = language.manner
    if random.random() < 0.30:
        text = fill(random.choice(manner.openings), language.slots, random) + " " + text
    if random.random() < 0.25:
        text = text.rstrip() + " " + fill(random.choice(manner.closings), language.slots, random)
    if random.random() < 0.22:
        text = text.rstrip() + random.choice((" ", "")) + fill("{emoji}", language.slots, random)
    if random.random() < 0.45:
        for long, short in manner.abbreviations:
            if random.random() < 0.6:
                text = re.sub(rf"(?i)\b{long}\b", short, text)
    if random.random() < 0.25:
        text = re.sub(r"[!?'؟،۔।，。！？]|[.,](?!\w)", "", text)
    if random.random() < 0.10:
        text = re.sub(
            r"([aeiouyاويา啊哈])(\W*)$",
            lambda match: match[1] * random.randint(2, 5) + match[2],
            text,
        )
    return text


def _as_businesses_write(text: str, label: str, language: Language, random: Random) -> str:
    tails = language.manner.tails[label]
    if random.random() < 0.22 and len(text) > 25:
        for tail in random.sample(tails, random.choice((1, 1, 2))):
            ends = text[-1].isalnum() and "/" not in text and random.random() < 0.3
            gap = full_stop(text) if ends else " "
            text = (
                text.rstrip() + random.choice((gap, gap, "\n")) + fill(tail, language.slots, random)
            )
    if label == "promotional" and random.random() < 0.12:
        emoji = fill("{emoji_sale}", language.slots, random)
        text = random.choice((f"{emoji} {text}", f"{text} {emoji}"))
    if random.random() < 0.06:
        text = re.sub(r"\.( |$)", r"\1", text)
    if random.random() < 0.05:
        text = text.replace(": ", ":").replace(". ", ".")
    return text


def _slipped(text: str, random: Random) -> str:
    """One letter swapped, dropped or doubled in one longer word.

    Where words are not parted by spaces nobody knows which is one.
    """
    words = text.split(" ")
    longer = [
        index
        for index, word in enumerate(words)
        if word.isalpha() and len(word) > 4 and full_stop(word) == ". "
    ]
    if not longer:
        return text
    index = random.choice(longer)
    word = words[index]
    at = random.randint(1, len(word) - 2)
    words[index] = random.choice(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
        )
    )
    return " ".join(words)
