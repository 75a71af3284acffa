"""The public data sets that may be fetched (public_sets.toml), and what a download must be."""

import fnmatch
import hashlib
import shutil
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ml.data.records import FORMATS, Layout
from ml.data.rows import COLUMN_NAMES, LABEL_MEANINGS, Reading
from ml.errors import DigestUnexpected, FileUnusable

PUBLIC_SETS = Path(__file__).with_suffix(".toml")
_MEMBER_BYTES_MAX = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A data set, where it is published, and how it is read."""

    name: str
    title: str
    url: str
    licence: str
    citation: str
    language: str
    member: str  # of the archive; a pattern such as *.csv
    format: str
    columns: Mapping[str, str]
    labels: Mapping[str, str]
    sha256: str = ""  # of the archive; empty where nobody could tell
    header: bool = True
    quotes: bool = True
    reading: Reading = field(init=False)

    def __post_init__(self) -> None:
        layout = Layout(self.format, self.header, self.quotes)
        object.__setattr__(self, "reading", Reading(
            self.columns, self.labels, self.language, self.name, layout, for_keeping=True
        ))  # fmt: skip


def read_public_sets(path: Path = PUBLIC_SETS) -> dict[str, PublicSet]:
    """By name. Raises FileUnusable and OSError."""
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        sets = {name: PublicSet(name=name, **table) for name, table in tables.items()}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise FileUnusable(f"{path} is no list of data sets: {error}") from error
    for name, each in sets.items():
        sound = (
            each.url.startswith(("https://", "http://")) and each.format in FORMATS
            and set(each.columns) <= set(COLUMN_NAMES)
            and set(each.labels.values()) <= set(LABEL_MEANINGS)
        )  # fmt: skip
        if not sound:
            raise FileUnusable(f"{path}: [{name}] has a url, format, column or label of no kind.")
    return sets


def digest_checked(public: PublicSet, archive: Path, trusted: Mapping[str, str]) -> str:
    """The SHA-256 of a download. Raises DigestUnexpected where another one is known."""
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    known = public.sha256 or trusted.get(public.name)
    if known and found != known:
        raise DigestUnexpected(
            f"What {public.url} gave is not the {public.title} that is known: its SHA-256 is "
            f"{found}, not {known}. Nothing of it was taken in."
        )
    return found


def unpack(public: PublicSet, archive: Path, folder: Path) -> Path:
    """Writes the one member that is wanted into a folder. Raises FileUnusable and OSError."""
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [
                member for member in packed.infolist()
                if fnmatch.fnmatchcase(PurePosixPath(member.filename).name, public.member)
                and not member.filename.startswith("__MACOSX")
            ]  # fmt: skip
            if len(members) != 1 or members[0].file_size > _MEMBER_BYTES_MAX:
                raise FileUnusable(
                    f"{public.title}: there should be one {public.member} of at most "
                    f"{_MEMBER_BYTES_MAX >> 20} MB in the archive; there are {len(members)}."
                )
            target = folder / f"{public.name}.{public.format}"
            with packed.open(members[0]) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
            return target
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise FileUnusable(f"{public.title}: no archive, or a damaged one: {error}") from error
