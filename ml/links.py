"""What a link in a message is: found in the folded text, named by kind, reduced to its words."""

import re
import tomllib
from pathlib import Path

from ml import symbols


def _read(path: Path) -> dict[str, frozenset[str]]:
    known = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: frozenset(words.split()) for name, words in known.items()}


_KNOWN = _read(Path(__file__).with_suffix(".toml"))
_SHORTENERS, _MESSENGERS = _KNOWN["shorteners"], _KNOWN["messengers"]
_CHEAP_ENDINGS, _AMBIGUOUS_ENDINGS = _KNOWN["cheap_endings"], _KNOWN["endings_ambiguous"]
_ENDINGS = _KNOWN["endings"] | _CHEAP_ENDINGS | _AMBIGUOUS_ENDINGS

_HOST = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,12}"
_CANDIDATE = re.compile(
    rf"(?P<scheme>https?:/{{1,2}}|www\.)\S+"
    rf"|\b(?P<host>{_HOST})(?P<port>:\d+)?(?P<path>/[^\s<>\"'،؛]*)?",
)
_HINT = re.compile(r"[a-z0-9]\.[a-z]{2}|:/")
_EMAIL = re.compile(r"\b[a-z0-9._%+-]+@(?:[a-z0-9-]+\.)+[a-z]{2,12}\b")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_PLAIN_WORD = re.compile(r"[^\W\d_]{3,}")
_PARTS = re.compile(r"[./?=&_#:%+-]+")


def kind_of(host: str) -> str:
    """The sign for a link to this host (lower case, without a port)."""
    if host in _SHORTENERS:
        return symbols.LINK_SHORTENED
    if host in _MESSENGERS:
        return symbols.LINK_MESSENGER
    if _ADDRESS.fullmatch(host):
        return symbols.LINK_ADDRESS
    if host.rpartition(".")[2] in _CHEAP_ENDINGS:
        return symbols.LINK_CHEAP_DOMAIN
    return symbols.LINK


def _words(link: str) -> str:
    """The words readable in a link; what looks drawn at random (digits inside) is left out."""
    return " ".join(part for part in _PARTS.split(link) if _PLAIN_WORD.fullmatch(part))


def _replace(match: re.Match[str]) -> str:
    link = match.group()
    if match.group("scheme"):
        rest = link[len(match.group("scheme")) :].lstrip("/").removeprefix("www.")
        host = re.split(r"[/?#:]", rest, maxsplit=1)[0]
    else:
        rest, host = link, match.group("host")
        ending = host.rpartition(".")[2]
        if ending not in _ENDINGS or (ending in _AMBIGUOUS_ENDINGS and not match.group("path")):
            return link
    return f" {kind_of(host)} {_words(rest)} "


def reduce(text: str) -> str:
    """Puts the sign of its kind, and its readable words, in the place of every link and address.

    Expects a folded text (lower case, invisible characters gone).
    """
    if "@" in text:
        text = _EMAIL.sub(f" {symbols.EMAIL} ", text)
    if _HINT.search(text):
        text = _CANDIDATE.sub(_replace, text)
    return text
