"""Leaves each source out of a training in turn, and measures on it the model that never saw it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ml.checkpoints import Checkpoints
from ml.data import Row
from ml.evaluate import Asked, Progress, Share, in_silence, judge_all, measure
from ml.judge import Judge
from ml.train import Recipe, train, training_digest


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
