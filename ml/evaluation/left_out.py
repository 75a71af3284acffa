"""Leaves a part of labelled messages out of a training, and measures on it the model without it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ml.checkpoints import Checkpoints
from ml.data import Row
from ml.errors import FileUnusable
from ml.evaluate import Asked, Progress, Share, in_silence, judge_all, measure
from ml.judge import Judge
from ml.report import Report, report
from ml.train import Recipe, train, training_digest

_MEASURED_FOLD = 0


def left_out(
    recipe: Recipe, rows: Sequence[Row], data: Mapping[str, str], work: Path, progress: Progress
) -> list[Share]:
    """The shares stopped of each source, by a model trained on the corpus and all other sources.

    `data` gives the SHA-256 of each file that the rows came from, by its name. What is done is kept
    in `work`, and a call that was cut short goes on there. Raises CorpusError and OSError.
    """
    sources = sorted({row.source for row in rows})
    found: list[Share] = []
    for done, source in enumerate(sources):
        without = {**data, "left out": hashlib.sha256(source.encode()).hexdigest()}
        kept = work / f"left-out-{training_digest(recipe, without)[:16]}.json"
        if not kept.exists():
            progress(f"training without source {done + 1} of {len(sources)}", done, len(sources))
            shares = _of_source(recipe, source, rows, without, Checkpoints(work))
            draft = kept.with_name(f".{kept.name}")
            draft.write_text(json.dumps([share.as_data() for share in shares]), encoding="utf-8")
            draft.replace(kept)
        found += [Share(**share) for share in json.loads(kept.read_text(encoding="utf-8"))]
    return found


def by_cluster(
    recipe: Recipe, rows: Sequence[Row], data: Mapping[str, str], work: Path, progress: Progress
) -> Report:
    """What a model says of a fifth of the clusters of near-duplicates, trained on the corpus and on
    the other four. Of the same sources it saw other messages, so this flatters.

    Raises CorpusError, OSError, and FileUnusable where a part has no message.
    """
    seen = [row for row in rows if row.fold != _MEASURED_FOLD]
    asked = [Asked.of_row(row) for row in rows if row.fold == _MEASURED_FOLD]
    if not seen or not asked:
        raise FileUnusable("These are too few messages, or all are of one cluster (`group`).")
    without = {**data, "left out": hashlib.sha256(b"a fifth of the clusters").hexdigest()}
    training = train(recipe, seen, without, progress, Checkpoints(work))
    judged = judge_all(Judge(training.models), asked, progress)
    return report(judged, training.thresholds)


def _of_source(
    recipe: Recipe,
    source: str,
    rows: Sequence[Row],
    data: Mapping[str, str],
    checkpoints: Checkpoints,
) -> list[Share]:
    others = [row for row in rows if row.source != source]
    training = train(recipe, others, data, in_silence, checkpoints)
    asked = [Asked.of_row(row) for row in rows if row.source == source and row.label]
    return measure(judge_all(Judge(training.models), asked), training.thresholds, by="source")
