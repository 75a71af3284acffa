"""`hudhud-ml label`: a reviewer decides what messages are, by keyboard."""

import getpass
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from ml.classifier import Classifier
from ml.command import (
    SOME_LINES_UNUSABLE,
    bad_lines_told,
    errors,
    existing,
    key_option,
    model_option,
    output,
    progress_bar,
    refusals_told,
    rows_of,
    text_given,
)
from ml.data.cli import store_option
from ml.data.journal import read_entries
from ml.data.labels import standing
from ml.data.rows import TEXT_LENGTH_MAX
from ml.data.store import Store
from ml.evaluate import BATCH
from ml.judgement import Judgement
from ml.keys import read_public_key
from ml.labelling import screen
from ml.labelling.desk import Desk, withdrawal
from ml.labelling.keys import QUIT, KeyPresses, key_presses
from ml.labelling.queue import Item, queue_of_rows, queue_of_store

LABEL_OF_KEY = {"p": "promotional", "s": "scam", "t": "transactional", "n": "personal"}
_SKIP, _UNDO = (" ", "k"), "u"


def _reviewer(context: click.Context, parameter: click.Parameter, given: str | None) -> str:
    """Who decides; a decision of nobody could not be weighed against another's."""
    if given is None:
        try:
            given = getpass.getuser()
        except (KeyError, OSError):  # whom the system knows by number alone
            given = ""
    if not given.strip():
        raise click.BadParameter("say who decides: --by NAME.")
    text_given(context, parameter, given)
    return given


@click.command()
@click.option("--queue", "file", type=existing,
              help="Messages to decide about (JSON Lines), not those of the store.")  # fmt: skip
@click.option("--add", "added", type=existing,
              help="Take in reports, appeals and reviews that a service exported.")  # fmt: skip
@click.option("--withdraw", "withdrawn", multiple=True, metavar="ID",
              help="Take a label back, as if it had never been. May be repeated.")  # fmt: skip
@click.option("--reason", default="", callback=text_given, help="Why it is taken back.")
@click.option("--by", callback=_reviewer, show_default="your user name",
              help="Who decides, as it is kept with each decision.")  # fmt: skip
@store_option
@model_option
@key_option
@refusals_told
def label(
    file: Path | None, added: Path | None, withdrawn: tuple[str, ...], reason: str, by: str,
    store: Path, folder: Path, public_key: Path,
) -> None:  # fmt: skip
    """Decide what messages are: those that are contradictory, appealed, reported or doubtful.

    One key is one decision, and is kept at once. The most informative messages come first.
    """
    if added:
        sys.exit(_take_in(Store(store), added))
    if withdrawn:
        return _withdraw(Store(store), withdrawn, by, reason)
    if not sys.stdin.isatty():
        raise click.UsageError("Deciding needs a terminal. Without one: --add or --withdraw.")
    classifier = Classifier.load(folder, read_public_key(public_key))
    items, bad = _queue(Store(store), file, classifier)
    if not items:
        output.print("Nothing to decide.")
    else:
        desk = Desk(Store(store), items, by, classifier.manifest.version)
        with key_presses() as keys:
            decide(desk, classifier, keys)
        left = len(items) - desk.decided
        output.print(f"{desk.decided:,} decided, {left:,} left. hudhud-ml train learns from them.")
    sys.exit(SOME_LINES_UNUSABLE if bad else 0)


def decide(desk: Desk, classifier: Classifier, keys: KeyPresses) -> None:
    """Shows one message after the other and obeys keys, until the end or until they quit."""
    while item := desk.current:
        explanation = classifier.explain(item.text)
        output.print(screen.page(item, desk.place, explanation, output))
        while True:
            key = keys.next()
            if key == QUIT:
                return
            if key in LABEL_OF_KEY:
                desk.decide(LABEL_OF_KEY[key], explanation.judgement.language)
                output.print(f"→ {LABEL_OF_KEY[key]}", style="bold")
            elif key in _SKIP:
                desk.skip()
            elif key != _UNDO or not desk.undo():
                continue
            break


def _queue(store: Store, file: Path | None, classifier: Classifier) -> tuple[list[Item], int]:
    """What is to be decided, and how many lines could not be used."""
    with progress_bar() as bar:
        task = bar.add_task("judging", total=None)

        def judge(texts: Sequence[str]) -> list[Judgement]:
            judgements: list[Judgement] = []
            for start in range(0, len(texts), BATCH):
                judgements += classifier.judge(texts[start : start + BATCH])
                bar.update(task, completed=len(judgements), total=len(texts))
            return judgements

        if file:
            rows, bad = rows_of([file])
            short = [row for row in rows if len(row.text) <= TEXT_LENGTH_MAX]
            for row in rows:
                if len(row.text) > TEXT_LENGTH_MAX:
                    errors.print(f"{file.name}: {row.id} is longer than {TEXT_LENGTH_MAX:,} "
                                 "characters", style="yellow", markup=False)  # fmt: skip
            bad += len(rows) - len(short)
            return queue_of_rows(short, judge, classifier.thresholds.direct), bad
        entries, lines = store.entries()
        bad = bad_lines_told(store.labels, lines)
        return queue_of_store(store.rows(), entries, judge), bad


def _take_in(store: Store, file: Path) -> int:
    """Adds what a service exported; the exit code."""
    entries, bad = read_entries(file)
    bad_lines_told(file, bad)
    fresh = store.take_in(entries)
    kinds = Counter(entry.kind for entry in fresh)
    told = ", ".join(f"{count:,} {kind}s" for kind, count in sorted(kinds.items()))
    output.print(
        f"{told or 'Nothing'} taken in; {len(entries) - len(fresh):,} were known already, "
        f"{len(bad):,} lines could not be used."
    )
    return SOME_LINES_UNUSABLE if bad else 0


def _withdraw(store: Store, ids: Sequence[str], by: str, reason: str) -> None:
    entries = store.entries()[0]
    if unknown := set(ids) - {entry.id for entry in entries if entry.kind != "withdrawal"}:
        raise click.BadParameter(f"There is no label {min(unknown)!r} in {store.labels}.")
    there = {entry.id for entry in standing(entries)}
    store.say([withdrawal(id_, by, reason) for id_ in dict.fromkeys(ids) if id_ in there])
    for id_ in dict.fromkeys(ids):
        said = "is withdrawn" if id_ in there else "was withdrawn already"
        output.print(f"{id_} {said}.", markup=False)
    errors.print("hudhud-ml train makes a model without it.")
