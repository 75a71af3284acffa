r"""Reads the pattern files of the corpus; what is malformed is named by file and line.

A pattern file holds one pattern a line. `# ...` is a comment, `== title ==` begins a section,
`{slot}` is filled from the slots, `[a|b|]` is a choice (the last one of nothing), `\n` a new line.
"""

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LABELS = ("promotional", "scam", "transactional", "personal")
FOLDS = 5
CORPUS = Path(__file__).parent

_SECTION = re.compile(r"==\s*(.+?)\s*==")
_SLOT = re.compile(r"\{([^{}]*)\}")


class CorpusError(Exception):
    """The corpus cannot be read as it stands; the message says where."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line of a pattern file."""

    text: str
    section: str
    place: str  # such as "en/transactional.txt:12"

    @property
    def fold(self) -> int:
        """Which of the parts for cross-validation it belongs to.

        A section is in one part, so that a model is measured on kinds of messages it has not seen.
        Offers are put behind notices of their own part, so there they must not all be in one.
        """
        file = self.place.partition(":")[0]
        alike = file + self.section if self.section and "/offers" not in file else self.text
        return hashlib.blake2b(alike.encode()).digest()[0] % FOLDS


@dataclass(frozen=True, slots=True)
class Manner:
    """How people and businesses who write in a language vary what they write."""

    currencies: tuple[str, ...]
    payments_of_one_country: tuple[str, ...]
    tails: dict[str, tuple[str, ...]]
    openings: tuple[str, ...]
    closings: tuple[str, ...]
    abbreviations: tuple[tuple[str, str], ...]
    plain_letters: dict[int, str]  # what stands for a code point when only ASCII is typed
    own_digits: str  # the ten digits of the script, where a language has its own
    own_digits_share: float  # of its messages, how many are written with them


@dataclass(frozen=True, slots=True)
class Language:
    """All that the corpus holds in one language."""

    code: str
    patterns: dict[str, tuple[Pattern, ...]]  # by label
    offers: tuple[Pattern, ...]  # to append to a notice, which makes it an advertisement
    slots: dict[str, tuple[str, ...]]
    manner: Manner


def languages(root: Path = CORPUS) -> list[str]:
    """The codes of the languages the corpus has a folder for."""
    return sorted(folder.name for folder in root.iterdir() if (folder / "slots.toml").exists())


def read_language(code: str, root: Path = CORPUS) -> Language:
    """Reads one language whole. Raises CorpusError."""
    slots = read_slots(root / "slots.toml") | read_slots(root / code / "slots.toml")
    patterns = {label: read_patterns(root, f"{code}/{label}.txt", slots) for label in LABELS}
    offers = read_patterns(root, f"{code}/offers.txt", slots)
    return Language(code, patterns, offers, slots, _read_manner(root / code / "manner.toml", slots))


def read_patterns(root: Path, name: str, slots: dict[str, tuple[str, ...]]) -> tuple[Pattern, ...]:
    """The patterns of one file, repeated ones once."""
    section, path = "", root / name
    found: dict[str, Pattern] = {}
    if not path.exists():
        raise CorpusError(f"{name}: there is no such file in the corpus")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if heading := _SECTION.fullmatch(line):
            section = heading.group(1)
            continue
        _check(line, slots, f"{name}:{number}")
        found.setdefault(line, Pattern(line, section, f"{name}:{number}"))
    if not found:
        raise CorpusError(f"{name}: no patterns")
    return tuple(found.values())


def read_slots(path: Path) -> dict[str, tuple[str, ...]]:
    """The slots of one file: a name, and the patterns that may fill it."""
    slots: dict[str, tuple[str, ...]] = {}
    for name, values in _read_toml(path).items():
        if isinstance(values, str):  # a list of plain words, separated by commas
            values = [word.strip() for word in values.replace("\n", " ").split(",")]
        slots[name] = tuple(value for value in values if value or len(values) > 1)
        if not slots[name]:
            raise CorpusError(f"{path.name}: slot {name} is empty")
    return slots


def digest(root: Path = CORPUS) -> str:
    """SHA-256 over every data file of the corpus, names included."""
    whole = hashlib.sha256()
    for path in sorted([*root.rglob("*.txt"), *root.rglob("*.toml")]):
        whole.update(path.relative_to(root).as_posix().encode() + b"\0")
        whole.update(path.read_bytes() + b"\0")
    return whole.hexdigest()


def _read_manner(path: Path, slots: dict[str, tuple[str, ...]]) -> Manner:
    data = _read_toml(path)
    for tails in (*data.get("tails", {}).values(), data["openings"], data["closings"]):
        for tail in tails:
            _check(tail, slots, f"{path.parent.name}/{path.name}")
    return Manner(
        currencies=tuple(data["currencies"]),
        payments_of_one_country=tuple(data["payments_of_one_country"]),
        tails={label: tuple(tails) for label, tails in data["tails"].items()},
        openings=tuple(data["openings"]),
        closings=tuple(data["closings"]),
        abbreviations=tuple((long, short) for long, short in data.get("abbreviations", {}).items()),
        plain_letters={
            ord(letter): plain for letter, plain in data.get("plain_letters", {}).items()
        },
        own_digits=data.get("own_digits", "0123456789"),
        own_digits_share=data.get("own_digits_share", 0.0),
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CorpusError(f"{path.parent.name}/{path.name}: {error}") from error


def _check(text: str, slots: dict[str, tuple[str, ...]], place: str) -> None:
    from ml.corpus.fill import DRAWN

    for slot in _SLOT.findall(text):
        name, *arguments = slot.split(" ")
        if not (slot in slots or (arguments and name in DRAWN)):
            raise CorpusError(f"{place}: there is no slot {{{slot}}}")
    if text.count("[") != text.count("]") or text.count("{") != text.count("}"):
        raise CorpusError(f"{place}: a bracket is not closed")
