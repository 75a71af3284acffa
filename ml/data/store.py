"""The operator's store of labelled messages: a folder that every change leaves whole.

    manifest.json     what is in force: for each source its file, digest, licence and provenance
    SOURCE-DIGEST.jsonl   the messages of a source; never changed, only replaced by another file
    labels.jsonl      what people said about messages, append-only (README.md)

A change writes new files and then replaces the manifest, which is the moment from which it counts.
Whatever is cut off before that leaves the store as it was; files nothing names are swept later.
"""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ml.data.journal import append_entries, read_entries
from ml.data.labels import Entry
from ml.data.pseudonyms import pseudonymised
from ml.data.records import BadLine
from ml.data.rows import Row
from ml.errors import StoreBusy, StoreDamaged

STORE = Path(".state/data")
_FORMAT = 1
_UNSAFE = re.compile(r"[^a-zA-Z0-9-]+")


@dataclass(frozen=True, slots=True)
class Addition:
    """One time that messages were taken into a source."""

    file: str
    sha256: str
    time: str  # RFC 3339
    rows: int  # that were new
    duplicates: int
    unusable: int
    url: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Messages of one origin."""

    file: str
    sha256: str
    rows: int
    licence: str = ""
    citation: str = ""
    additions: tuple[Addition, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in force."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    trusted: Mapping[str, str] = field(default_factory=dict)  # set: SHA-256 seen at first download


class Store:
    """A store in a folder, which need not be there yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.labels = folder / "labels.jsonl"

    def manifest(self) -> Manifest:
        """What is in force now. Raises StoreDamaged and OSError."""
        path = self.folder / "manifest.json"
        try:
            data = json.loads(path.read_bytes())
            if data["format"] != _FORMAT:
                raise StoreDamaged(f"{path} is of format {data['format']}, not {_FORMAT}.")
            return Manifest(
                {name: _source(source) for name, source in data["sources"].items()},
                {str(name): str(digest) for name, digest in data["trusted"].items()},
            )
        except FileNotFoundError:
            return Manifest()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreDamaged(f"{path} is no manifest of a store: {error!r}") from error

    def rows(self) -> list[Row]:
        """Every message, source by source. Raises StoreDamaged and OSError."""
        return [
            row for name, source in self.manifest().sources.items()
            for row in self._rows_of(name, source)
        ]  # fmt: skip

    def damaged(self) -> list[str]:
        """What is wrong with the files. Raises StoreDamaged for the manifest, and OSError."""
        found = []
        for name, source in self.manifest().sources.items():
            try:
                self._read(name, source)
            except StoreDamaged as error:
                found.append(str(error))
        return found

    def digests(self) -> dict[str, str]:
        """SHA-256 of each file that training learns from, by what is in it."""
        digests = {name: source.sha256 for name, source in self.manifest().sources.items()}
        if self.labels.exists():
            digests["labels"] = hashlib.sha256(self.labels.read_bytes()).hexdigest()
        return {f"store {name}": digest for name, digest in digests.items()}

    def entries(self) -> tuple[list[Entry], list[BadLine]]:
        """What people said, and the lines of the file that are no entries. Raises OSError."""
        return read_entries(self.labels) if self.labels.exists() else ([], [])

    def say(self, entries: Iterable[Entry]) -> None:
        """Adds entries; when this returns they are on the disk. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        append_entries(self.labels, entries)

    def take_in(self, entries: Iterable[Entry]) -> list[Entry]:
        """Adds what a service exported, pseudonymised, but for what is known already; what was new.

        Raises OSError.
        """
        known = {entry.id for entry in self.entries()[0]}
        fresh = {entry.id: replace(entry, text=pseudonymised(entry.text)) for entry in entries
                 if entry.id not in known}  # fmt: skip
        self.say(fresh.values())
        return list(fresh.values())

    @contextmanager
    def changing(self) -> Iterator["Change"]:
        """The right to change the store; nobody else has it meanwhile. Raises StoreBusy."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreBusy(f"Another command is changing {self.folder}; try later.") from None
            yield Change(self)

    def _rows_of(self, name: str, source: Source) -> Iterator[Row]:
        packed = self._read(name, source)
        for line in packed.splitlines():
            data = json.loads(line)
            yield Row(
                data["id"], data["text"], data["lang"], data["label"], name, data["group"],
                data["license"],
            )  # fmt: skip

    def _read(self, name: str, source: Source) -> bytes:
        try:
            content = (self.folder / source.file).read_bytes()
        except FileNotFoundError:
            content = b""
        if hashlib.sha256(content).hexdigest() != source.sha256:
            raise StoreDamaged(
                f"{self.folder / source.file} is not what was stored. Remove the source and add "
                f"it again: hudhud-ml data remove '{name}'"
            )
        return content


class Change:
    """A change to a store, by who holds the right to it."""

    def __init__(self, store: Store) -> None:
        self._folder = store.folder
        self.manifest = store.manifest()

    def commit(
        self, sources: Mapping[str, Source], rows: Mapping[str, Sequence[Row]],
        trusted: Mapping[str, str],
    ) -> None:  # fmt: skip
        """Makes these the sources of the store. `rows` are the messages of those that changed."""
        written = {
            name: replace(source, **self._write(name, rows[name])) if name in rows else source
            for name, source in sources.items()
        }
        self.manifest = Manifest(written, trusted)
        content = {
            "format": _FORMAT,
            "sources": {name: asdict(source) for name, source in sorted(written.items())},
            "trusted": dict(trusted),
        }
        packed = json.dumps(content, ensure_ascii=False, indent=1).encode()
        self._replace("manifest.json", packed)  # From here on the change counts.
        self._sweep()

    def remove(self, name: str) -> int:
        """Forgets a source; how many messages it had."""
        sources = dict(self.manifest.sources)
        gone = sources.pop(name)
        self.commit(sources, {}, {key: value for key, value in self.manifest.trusted.items()
                                  if key != name})  # fmt: skip
        return gone.rows

    def _write(self, name: str, rows: Iterable[Row]) -> dict[str, Any]:
        lines = [
            json.dumps(
                {"id": row.id, "text": row.text, "lang": row.language, "label": row.label,
                 "source": row.source, "group": row.group, "license": row.licence},
                ensure_ascii=False,
            ) + "\n"
            for row in rows
        ]  # fmt: skip
        packed = "".join(lines).encode()
        digest = hashlib.sha256(packed).hexdigest()
        file = f"{_UNSAFE.sub('_', name)[:40]}-{digest[:12]}.jsonl"
        self._replace(file, packed)
        return {"file": file, "sha256": digest, "rows": len(lines)}

    def _replace(self, name: str, content: bytes) -> None:
        """Puts a whole file in place, on the disk before it is seen."""
        temporary = self._folder / f"{name}.new"
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        temporary.replace(self._folder / name)

    def _sweep(self) -> None:
        """Takes away what an earlier or a broken-off change left."""
        named = {source.file for source in self.manifest.sources.values()} | {"labels.jsonl"}
        for path in [*self._folder.glob("*.jsonl"), *self._folder.glob("*.new")]:
            if path.name not in named:
                path.unlink()


def _source(data: dict[str, Any]) -> Source:
    additions = tuple(Addition(**addition) for addition in data.pop("additions"))
    return Source(**data, additions=additions)
