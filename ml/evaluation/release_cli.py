"""`hudhud-ml release`: lets a model through that is held to its limits and no worse than the live
one, and keeps it with the history of releases.
"""

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ml.classifier import Classifier
from ml.command import (
    REFUSED,
    SOME_LINES_UNUSABLE,
    any_path,
    bad_lines_told,
    errors,
    existing,
    json_option,
    key_option,
    model_option,
    output,
    refusals_told,
    steps_told,
)
from ml.data.journal import append_lines
from ml.data.records import BadLine, Layout, Record, read_records
from ml.errors import FileUnusable
from ml.evaluation import show
from ml.evaluation.cli import labelled_rows, live_option, live_or_released
from ml.evaluation.costs import costs_of
from ml.evaluation.gate import Verdict, traffic, verdict
from ml.keys import read_public_key
from ml.places import MANIFEST_FILE
from ml.release import MODEL_FILE, Manifest

HISTORY_FILE = "history.jsonl"


@click.command()
@click.argument("files", nargs=-1, type=existing)
@click.option("--to", "target", type=any_path, required=True, help="Folder to keep releases in.")
@live_option
@json_option
@model_option
@key_option
@refusals_told
def release(
    files: tuple[Path, ...], target: Path, live: Path | None, as_json: bool, folder: Path,
    public_key: Path,
) -> None:  # fmt: skip
    """Let the model through, if it keeps its limits and is no worse than the live one, and keep it.

    Limits are those of ml/evaluation/limits.toml, held against what training measured on messages
    it had not seen, against labelled FILES, and against what judging costs on this machine. It is
    copied to a folder named by its version, and `history.jsonl` beside says when and how it stood.
    """
    candidate = Classifier.load(folder, read_public_key(public_key))
    rows = labelled_rows(files)[0] if files else []
    with steps_told() as progress:
        progress("measuring what judging costs", 0, 1)
        costs = costs_of(folder, public_key, traffic())
        found = verdict(candidate, live_or_released(live, public_key), rows, costs, progress)
    kept = None if found.refused else _keep(folder, target, candidate.manifest, found)
    if as_json:
        print(json.dumps({"version": candidate.manifest.version, **found.as_data()}))
    elif found.refused:
        _tell_refusal(candidate.manifest, found)
    else:
        if found.known:
            errors.print(show.broken(found.known, "Not reached yet, and known"))
        version = candidate.manifest.version
        output.print(candidate.manifest.card, f"Model {version} is released in {kept}.",
                     sep="\n\n", markup=False, soft_wrap=True)  # fmt: skip
    sys.exit(REFUSED if found.refused else 0)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
@refusals_told
def releases(folder: Path, as_json: bool) -> None:
    """What was released in FOLDER: when, in place of which model, and what was not reached."""
    path = folder / HISTORY_FILE
    if not path.exists():
        raise FileUnusable(f"{folder} holds no {HISTORY_FILE}: nothing was released here.")
    found = [_release_of(record) for record in read_records(path, Layout("jsonl"), {})]
    bad = bad_lines_told(path, [line for line in found if isinstance(line, BadLine)])
    lines = [line for line in found if not isinstance(line, BadLine)]
    if as_json:
        print(json.dumps(lines, ensure_ascii=False))
    else:
        output.print(show.releases(lines))
    sys.exit(SOME_LINES_UNUSABLE if bad else 0)


def _release_of(record: Record | BadLine) -> dict[str, Any] | BadLine:
    """What a line of the history says. One that was cut short, or is another's, is named."""
    if isinstance(record, Record):
        try:
            show.releases([record.data])
            return dict(record.data)
        except (KeyError, TypeError, ValueError):
            return BadLine(record.number, "not what `release` wrote")
    return record


def _tell_refusal(manifest: Manifest, found: Verdict) -> None:
    errors.print(f"Refused: model {manifest.version} is not released.", style="red")
    if found.broken:
        errors.print(show.broken(found.broken, "Beyond a limit"))
    if found.worse:
        errors.print(show.differences(
            found.worse, f"Worse than the live model {found.live} (A), beyond the interval"
        ))  # fmt: skip


def _keep(folder: Path, target: Path, manifest: Manifest, found: Verdict) -> Path:
    """Copies a release to the folder of its version, and tells it to the history."""
    kept = target / manifest.version
    if kept.exists():
        return kept
    draft = target / f".{manifest.version}.draft"
    draft.mkdir(parents=True, exist_ok=True)
    for name in (MODEL_FILE, MANIFEST_FILE):
        shutil.copyfile(folder / name, draft / name)
    line: dict[str, Any] = {
        "version": manifest.version,
        "released": datetime.now(UTC).isoformat(timespec="seconds"),
        "trained": manifest.created,
        "digest": manifest.digest,
        "training": manifest.training,
        "thresholds": manifest.thresholds.as_data(),
        **found.as_data(),
    }
    # Told first: a release without a line would be worse than a line told twice.
    append_lines(target / HISTORY_FILE, [json.dumps(line, ensure_ascii=False)])
    draft.rename(kept)
    return kept
