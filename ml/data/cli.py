"""`hudhud-ml data`: takes in, fetches, checks and counts labelled messages."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress, TaskID

from ml.command import (
    REFUSED,
    SOME_LINES_UNUSABLE,
    any_path,
    bad_lines_told,
    errors,
    existing,
    json_option,
    output,
    progress_bar,
    refusals_told,
    text_given,
)
from ml.corpus.patterns import languages as corpus_languages
from ml.data import show
from ml.data.download import download
from ml.data.health import Finding, address, findings, statistics, suspicious, without_innocent
from ml.data.intake import Outcome, Provenance, take_in
from ml.data.public_sets import (
    PUBLIC_SETS,
    PublicSet,
    digest_checked,
    read_public_sets,
    unpack,
)
from ml.data.records import FORMATS, Layout
from ml.data.rows import COLUMN_NAMES, LABEL_MEANINGS, LANGUAGE, Reading, Row, read_rows
from ml.data.store import STORE, Store
from ml.data.training import training_set
from ml.errors import DataRefused, FileUnusable

store_option = click.option("--store", type=any_path, default=STORE, show_default=True,
                            help="Folder of the operator's labelled messages.")  # fmt: skip


@click.group()
def data() -> None:
    """Take in, fetch, check and count labelled messages."""


def _columns(
    _context: click.Context, _parameter: click.Parameter, given: Sequence[str]
) -> dict[str, str]:
    return _pairs(given, f"text=Message, with one of {', '.join(COLUMN_NAMES)} first",
                  lambda ours, theirs: ours in COLUMN_NAMES and bool(theirs))  # fmt: skip


def _labels(
    _context: click.Context, _parameter: click.Parameter, given: Sequence[str]
) -> dict[str, str]:
    pairs = _pairs(given, f"spam=scam, with one of {', '.join(LABEL_MEANINGS)} last",
                   lambda theirs, ours: bool(theirs) and ours in LABEL_MEANINGS)  # fmt: skip
    return {theirs.lower(): ours for theirs, ours in pairs.items()}


def _pairs(given: Sequence[str], example: str, sound: Callable[[str, str], bool]) -> dict[str, str]:
    pairs = {}
    for pair in given:
        left, _, right = pair.partition("=")
        if not sound(left.strip(), right.strip()):
            raise click.BadParameter(f"{pair!r} should read like {example}.")
        pairs[left.strip()] = right.strip()
    return pairs


def _language(_context: click.Context, _parameter: click.Parameter, given: str) -> str:
    if given and not LANGUAGE.fullmatch(given):
        raise click.BadParameter(f"{given!r} should be an ISO 639-1 code such as en.")
    return given


@data.command()
@click.argument("files", nargs=-1, required=True, type=existing)
@click.option("--format", "format_", type=click.Choice(FORMATS),
              help="Of the files, where their names do not tell.")  # fmt: skip
@click.option("--column", "columns", multiple=True, callback=_columns, metavar="OURS=THEIRS",
              help="A column's name, or its number from 1: --column text=Message.")  # fmt: skip
@click.option("--label-map", "labels", multiple=True, callback=_labels, metavar="THEIRS=OURS",
              help="What a label means: --label-map spam=promotional.")  # fmt: skip
@click.option("--language", default="", callback=_language,
              help="ISO 639-1, of messages that name none.")  # fmt: skip
@click.option(
    "--source",
    default="",
    callback=text_given,
    help="Of messages that name none; else the file's name.",
)
@click.option("--licence", default="", callback=text_given, help="Under which you may use them.")
@click.option("--no-header", is_flag=True, help="The table's first line is a message already.")
@click.option("--no-quotes", is_flag=True, help="Quotation marks of the table are just text.")
@store_option
@json_option
@refusals_told
def add(
    files: tuple[Path, ...], format_: str | None, columns: dict[str, str], labels: dict[str, str],
    language: str, source: str, licence: str, no_header: bool, no_quotes: bool, store: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Take labelled FILES into the store: JSON Lines, CSV, TSV or XLSX, packed with gzip or not.

    Every line is added, is a duplicate, or is named with what is wrong with it. Long numbers,
    names of mailboxes and accounts, and what links carry beyond their words are replaced before
    anything is stored. Adding the same again changes nothing.
    """
    layout = Layout(format_ or "", header=not no_header, quotes=not no_quotes)
    reading = Reading(columns, labels, language, source, layout, for_keeping=True)
    outcomes = []
    for file in files:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        origin = Provenance(file.name, digest, licence)
        outcomes.append((file.name, take_in_file(Store(store), file, reading, origin)))
    sys.exit(SOME_LINES_UNUSABLE if told(Store(store), outcomes, as_json) else 0)


def take_in_file(
    store: Store, file: Path, reading: Reading, origin: Provenance,
    trusted: dict[str, str] | None = None,
) -> Outcome:  # fmt: skip
    """Takes one file in, with a bar. Raises what stores and files raise, and OSError."""
    with store.changing() as change, progress_bar() as bar:
        outcome = take_in(
            change, store.rows(), read_rows(file, reading), origin, Told(bar), trusted
        )
    if outcome.lines == 0:
        raise FileUnusable(f"{file} holds no messages.")
    bad_lines_told(file, outcome.bad)
    return outcome


@data.command()
@click.argument("names", nargs=-1)
@click.option("--sets", "registry", type=existing, default=PUBLIC_SETS,
              help="Sets of your own, in the form of ml/data/public_sets.toml.")  # fmt: skip
@store_option
@json_option
@refusals_told
def fetch(names: tuple[str, ...], registry: Path, store: Path, as_json: bool) -> None:
    """Download the public data sets NAMES (all, if none is given) and take them into the store.

    They come from where their authors publish them. A digest that is not known is remembered at
    the first download, and said. What was cut short is resumed. Ends with 1 where one did not come.
    """
    sets = read_public_sets(registry)
    if unknown := set(names) - set(sets):
        raise click.BadParameter(f"{min(unknown)!r} is none of {', '.join(sets)}.")
    outcomes, failed = [], {}
    for public in (sets[name] for name in names or sets):
        try:
            outcome = _fetched(public, Store(store))
        except (DataRefused, OSError) as error:
            failed[public.name] = f"{type(error).__name__}: {error}"
            errors.print(f"{public.name}: {failed[public.name]}", style="red", markup=False,
                         soft_wrap=True)  # fmt: skip
        else:
            outcomes += [(public.name, outcome)] if outcome else []
    unusable = told(Store(store), outcomes, as_json, failed)
    sys.exit(REFUSED if failed else SOME_LINES_UNUSABLE if unusable else 0)


def _fetched(public: PublicSet, store: Store) -> Outcome | None:
    """Fetches one set and takes it in; nothing where it is there already."""
    manifest = store.manifest()
    known = public.sha256 or manifest.trusted.get(public.name)
    source = manifest.sources.get(public.name)
    if source and known in {addition.sha256 for addition in source.additions}:
        errors.print(f"{public.name} is there already.")
        return None
    folder = store.folder / "fetched"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    archive = folder / f"{public.name}.zip"
    member: Path | None = None
    try:
        with progress_bar() as bar:
            say = Told(bar)
            download(public.url, archive, lambda done, of: say(f"fetching {public.name}", done, of))
        digest = digest_checked(public, archive, manifest.trusted)
        member = unpack(public, archive, folder)
        origin = Provenance(archive.name, digest, public.licence, public.citation, public.url)
        trusted = {} if known else {public.name: digest}
        outcome = take_in_file(store, member, public.reading, origin, trusted)
        if trusted:
            errors.print(
                f"{public.name}: nobody had told the digest of this download. What came is trusted "
                f"from now on: SHA-256 {digest}.", style="yellow", soft_wrap=True,
            )  # fmt: skip
        return outcome
    finally:
        # They hold what has not been pseudonymised.
        archive.unlink(missing_ok=True)
        if member:
            member.unlink(missing_ok=True)


@data.command()
@click.option("--suspicious", "ask", is_flag=True,
              help="Also labels that a cross-validated model disagrees with.")  # fmt: skip
@store_option
@json_option
@refusals_told
def check(ask: bool, store: Path, as_json: bool) -> None:
    """Look for what is wrong with the store: damage, contradictions, what is absent.

    Ends with 1 where a file is damaged, with 3 where something deserves a look.
    """
    if damaged := Store(store).damaged():
        for said in damaged:
            errors.print(said, style="red", markup=False, soft_wrap=True)
        sys.exit(REFUSED)
    rows = Store(store).rows()
    entries, bad = Store(store).entries()
    bad_lines_told(Store(store).labels, bad)
    found = findings(rows, entries, corpus_languages())
    if bad:
        found.append(Finding("labels", f"{len(bad):,} lines of labels.jsonl are no entries"))
    if ask and rows:
        with progress_bar() as bar:
            found += [each for each in [suspicious(rows, Told(bar))] if each.ids]
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], ensure_ascii=False))
    else:
        for line in show.findings(found, all_ids=False):
            output.print(line, style="yellow", markup=False, soft_wrap=True)
        output.print(f"{len(rows):,} messages looked at, {len(found):,} findings.")
    sys.exit(SOME_LINES_UNUSABLE if found else 0)


@data.command()
@store_option
@json_option
@refusals_told
def stats(store: Path, as_json: bool) -> None:
    """Count the messages of the store by source, language and label."""
    rows = Store(store).rows()
    measured = statistics(rows)
    sources = Store(store).manifest().sources
    if as_json:
        provenance = {name: asdict(source) for name, source in sources.items()}
        print(json.dumps(measured | {"sources": provenance}, ensure_ascii=False))
    else:
        licences = {name: source.licence for name, source in sources.items()}
        output.print(show.statistics(measured, rows, licences))


@data.command()
@click.argument("source")
@store_option
@refusals_told
def remove(source: str, store: Path) -> None:
    """Forget all messages of SOURCE. Training without them is `hudhud-ml train`."""
    with Store(store).changing() as change:
        if source not in change.manifest.sources:
            known = ", ".join(change.manifest.sources) or "none"
            raise click.BadParameter(f"No source {source!r} in {store}. There are: {known}.")
        output.print(f"{change.remove(source):,} messages of {source} are gone.")


def learned_from(store: Store) -> list[Row]:
    """What a training learns from a store; says what is left out. Raises StoreDamaged, OSError."""
    entries, bad = store.entries()
    bad_lines_told(store.labels, bad)
    learned = training_set(store.rows(), entries, corpus_languages())
    for reason, count in learned.left_out.items():
        errors.print(f"Left out of training: {count:,}, {reason}.", style="yellow", markup=False)
    return learned.rows


class Told:
    """Progress as one bar that changes its name."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: TaskID = bar.add_task("reading", total=None)

    def __call__(self, what: str, done: int, of: int | None) -> None:
        self._bar.update(self._task, description=what, completed=done, total=of)


def told(
    store: Store, outcomes: Sequence[tuple[str, Outcome]], as_json: bool,
    failed: Mapping[str, str] | None = None,
) -> int:  # fmt: skip
    """Says what became of every line, and what the operator should know; how many are unusable."""
    untaught = without_innocent(store.rows(), corpus_languages())
    if as_json:
        content = {
            "files": [_outcome_as_data(name, outcome) for name, outcome in outcomes],
            "failed": dict(failed or {}),
            "not_trained_by_language": dict(untaught),
        }
        print(json.dumps(content, ensure_ascii=False))
    else:
        for name, outcome in outcomes:
            output.print(show.outcome(name, outcome))
            for notice in show.notices(outcome, untaught):
                errors.print(notice, style="yellow", markup=False, soft_wrap=True)
    return sum(len(outcome.bad) for _, outcome in outcomes)


def _outcome_as_data(name: str, outcome: Outcome) -> dict[str, Any]:
    counts = Counter((row.source, row.language, row.label) for row in outcome.added)
    return {
        "file": name,
        "lines": outcome.lines,
        "added": len(outcome.added),
        "duplicates": outcome.duplicates,
        "unusable": [asdict(line) for line in outcome.bad],
        "near_duplicates": outcome.near_duplicates,
        "pseudonymised": outcome.changed,
        "messages": [
            {"source": source, "language": language, "label": label, "count": count}
            for (source, language, label), count in sorted(counts.items())
        ],
        "conflicts": [
            [{"id": address(row), "label": row.label} for row in group]
            for group in outcome.conflicts
        ],
    }
