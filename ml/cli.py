"""`hudhud-ml`: trains, asks, measures and releases the classifier.

It ends with 0 when all went well, 1 when a model, a key or the corpus was refused, 2 for a wrong
call, 3 when some lines of a file could not be used.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import click

from ml import show
from ml.classifier import Classifier
from ml.command import (
    MODEL,
    SIGNING_KEY,
    SOME_LINES_UNUSABLE,
    any_path,
    bad_lines_told,
    digests_of,
    errors,
    existing,
    json_option,
    key_option,
    model_option,
    output,
    refusals_told,
    rows_of,
    seed_option,
    steps_told,
    text_given,
)
from ml.data import BadLine
from ml.data.cli import data as data_commands
from ml.data.cli import learned_from, store_option
from ml.data.store import Store
from ml.data.texts import Message, read_texts
from ml.evaluate import BATCH
from ml.evaluation.cli import UNSEEN, attack, compare, evaluate
from ml.evaluation.corpus_alone import beside_the_released
from ml.evaluation.release_cli import release, releases
from ml.fleet.cli import COMMANDS as FLEET_COMMANDS
from ml.fleet.retrain import retrain
from ml.judgement import Judgement
from ml.keys import read_or_make_signing_key, read_public_key
from ml.labelling.cli import label
from ml.release import stale
from ml.sentences import told
from ml.thresholds import Thresholds

WORK = Path("build/training")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Train, ask, measure and release the classifier that keeps promotion out."""


for command in (
    data_commands,
    evaluate,
    compare,
    attack,
    release,
    releases,
    label,
    *FLEET_COMMANDS,
    retrain,
):
    main.add_command(command)


@main.command()
@click.option(
    "--out", type=any_path, default=MODEL, show_default=True, help="Folder for the model."
)
@click.option("--signing-key", type=any_path, default=SIGNING_KEY, show_default=True,
              help="PEM of the Ed25519 key to sign with; made if it is not there.")  # fmt: skip
@click.option("--data", multiple=True, type=existing,
              help="More labelled messages (JSON Lines, .gz or not). May be repeated.")  # fmt: skip
@store_option
@seed_option
@click.option("--leave-out", type=click.Choice(["source", "group"]), default="source",
              show_default=True,
              help="What is left out as a whole while measuring on DATA: a source, or each group "
                   "of near-duplicates, which flatters.")  # fmt: skip
@click.option("--work", type=any_path, default=WORK, show_default=True,
              help="Folder of finished steps, from which a training that was cut short goes on.",
)  # fmt: skip
@click.option("--if-stale", is_flag=True, help="Only if code, corpus, data or libraries changed.")
@refusals_told
def train(
    out: Path, signing_key: Path, data: tuple[Path, ...], store: Path, seed: int, leave_out: str,
    work: Path, if_stale: bool,
) -> None:  # fmt: skip
    """Train a model from the corpus and the store, sign it, and write it with its manifest."""
    from ml.make_release import make_release
    from ml.train import Recipe, training_digest

    key = read_or_make_signing_key(signing_key)
    recipe = Recipe(seed=seed, by_source=leave_out == "source")
    digests = digests_of(data) | Store(store).digests()
    if if_stale and not stale(out, key.public_key(), training_digest(recipe, digests)):
        errors.print(f"The model in {out} is up to date.")
        return
    given, bad = rows_of(data)
    rows = [row for row in given if row.label]
    if silent := len(given) - len(rows):
        errors.print(f"Left out of training: {silent:,}, without a label.", style="yellow")
    rows += learned_from(Store(store))
    with steps_told() as progress:
        manifest = make_release(recipe, rows, digests, work, out, key, progress)
    errors.print(show.metrics([share.as_data() for share in manifest.unseen.by_language], UNSEEN))
    errors.print(f"Model {manifest.version} is in {out}, signed with {signing_key}.")
    if not rows:
        errors.print(beside_the_released(), "It learned from the corpus alone; the table says how "
                     "such a model does beside one that learned from real messages too. Your own "
                     "(hudhud-ml data add) are what helps most.", soft_wrap=True)  # fmt: skip
    sys.exit(SOME_LINES_UNUSABLE if bad else 0)


@main.command()
@click.argument("file", type=existing)
@click.option("--out", type=any_path,
              help="Where to write, once all is judged; standard output if not given.")  # fmt: skip
@model_option
@key_option
@refusals_told
def score(file: Path, out: Path | None, folder: Path, public_key: Path) -> None:
    """Judge every message of FILE (JSON Lines with `text`, and `id`), one line out for each.

    Whatever else a line says does not matter. A line out holds `id`, the probabilities of the four
    classes, `language`, `abstention`, and `decision`: what policy would do with it as a direct
    utility message to somebody who gave no consent.
    """
    classifier = Classifier.load(folder, read_public_key(public_key))
    decisions: Counter[str] = Counter()
    unusable = 0
    with steps_told() as progress, _whole_or_not(out) as sink:
        for done, batch in enumerate(_batches(read_texts(file))):
            progress("judging", done * BATCH, None)
            messages = [line for line in batch if isinstance(line, Message)]
            unusable += bad_lines_told(file, [line for line in batch if isinstance(line, BadLine)])
            judgements = classifier.judge([message.text for message in messages])
            for message, judgement in zip(messages, judgements, strict=True):
                scored = _scored(message.id, judgement, classifier.thresholds)
                decisions[scored["decision"]] += 1
                print(json.dumps(scored, ensure_ascii=False), file=sink)
    told = ", ".join(f"{count:,} {decision}" for decision, count in decisions.most_common())
    errors.print(f"{told or 'Nothing to judge'}; {unusable:,} lines could not be used.")
    sys.exit(SOME_LINES_UNUSABLE if unusable else 0)


@main.command()
@click.argument("text", callback=text_given)
@json_option
@model_option
@key_option
@refusals_told
def explain(text: str, as_json: bool, folder: Path, public_key: Path) -> None:
    """Judge TEXT: what its sender is told, and the words that weighed most."""
    classifier = Classifier.load(folder, read_public_key(public_key))
    explanation = classifier.explain(text)
    if as_json:
        scored = _scored("", explanation.judgement, classifier.thresholds)
        spans = [asdict(span) | {"text": text[span.start : span.end]} for span in explanation.spans]
        said = told(text, explanation.judgement, classifier.thresholds)
        print(json.dumps(scored | {"part": explanation.part, "spans": spans, "told": said},
                         ensure_ascii=False))  # fmt: skip
    else:
        output.print(show.explanation(text, explanation, classifier.thresholds))


def _scored(id_: str, judgement: Judgement, thresholds: Thresholds) -> dict[str, Any]:
    """What a machine reads: the probabilities, and what policy would do with a direct message."""
    probabilities = {label: round(getattr(judgement, label), 6)
                     for label in ("promotional", "scam", "transactional", "personal")}  # fmt: skip
    return {"id": id_, **probabilities, "language": judgement.language,
            "abstention": judgement.abstention,
            "decision": thresholds.decision(judgement)}  # fmt: skip


@contextmanager
def _whole_or_not(out: Path | None) -> Iterator[TextIO]:
    """A file that is there only once all of it was written; or standard output."""
    if out is None:
        yield sys.stdout
        return
    draft = out.with_name(f".{out.name}.draft")
    try:
        with draft.open("w", encoding="utf-8") as sink:
            yield sink
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


def _batches(lines: Iterable[Message | BadLine]) -> Iterator[list[Message | BadLine]]:
    rest = iter(lines)
    while batch := list(islice(rest, BATCH)):
        yield batch
