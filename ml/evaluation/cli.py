"""`hudhud-ml evaluate`, `compare`, `attack` and `release`: judges models, and lets them through."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

import click

from ml import show
from ml.classifier import Classifier
from ml.command import (
    REFUSED,
    SOME_LINES_UNUSABLE,
    any_path,
    digests_of,
    errors,
    existing,
    json_option,
    key_of,
    key_option,
    model_option,
    output,
    refusals_told,
    rows_of,
    steps_told,
    text_given,
)
from ml.corpus.expand import Shares, expand
from ml.corpus.patterns import languages
from ml.data import LABEL_MEANINGS, Row
from ml.errors import FileUnusable
from ml.evaluate import Asked, Share, interval, judge_all
from ml.evaluation import show as shown
from ml.evaluation.drift import Drift, drift
from ml.evaluation.gate import Live, decisions, load_live
from ml.evaluation.left_out import by_cluster, left_out
from ml.evaluation.limits import check_of, checks
from ml.evaluation.page.page import Findings, page
from ml.evaluation.pairs import paired, unpaired
from ml.evaluation.reached import reached
from ml.keys import read_public_key
from ml.measuring import ATTACKS, attacked, disguised, measured
from ml.places import MANIFEST_FILE, RELEASED
from ml.release import Manifest, read_verified_manifest
from ml.report import ALL, FALSE_POSITIVE_RATE, UNWANTED, Report, report
from ml.train import Recipe

WORK = Path("build/evaluation")
UNSEEN = "Stopped as a direct message, in sections and sources it had not seen"

live_option = click.option(
    "--live", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the model that decides today; if not given, the released one.",
)  # fmt: skip


@click.command()
@click.argument("files", nargs=-1, type=existing)
@click.option("--by", type=click.Choice(["language", "source"]), default="language",
              show_default=True, help="What the table on the terminal is by.")  # fmt: skip
@click.option("--html", "page_file", type=any_path, help="Write everything as one page of HTML.")
@click.option("--leave-one-out", is_flag=True,
              help="Train without each source of FILES in turn, and measure on it. That is a "
                   "training for each.")  # fmt: skip
@click.option("--split", is_flag=True,
              help="Train on four fifths of the clusters of FILES instead, and measure on the "
                   "fifth: what the sources seen are worth. That is one training.")  # fmt: skip
@click.option("--work", type=any_path, default=WORK, show_default=True,
              help="Folder in which --leave-one-out and --split keep what they have done.",
)  # fmt: skip
@live_option
@json_option
@model_option
@key_option
@refusals_told
def evaluate(
    files: tuple[Path, ...], by: str, page_file: Path | None, leave_one_out: bool, split: bool,
    work: Path, live: Path | None, as_json: bool, folder: Path, public_key: Path,
) -> None:  # fmt: skip
    """Measure the model on labelled FILES; without any, show what training measured.

    The table is of the share stopped of each label, at the model's thresholds, as a direct message
    to somebody who gave no consent. The page and --json hold everything else as well: disguises,
    explanations, curves, mistakes (with their texts on the page alone), drift. That takes longer,
    some 20 ms a message.
    """
    if (leave_one_out or split) and not files:
        raise click.UsageError("--leave-one-out and --split need FILES.")
    if split:
        if leave_one_out or page_file or live:
            raise click.UsageError("--split measures a model of its own: --by, --work and --json "
                                   "are all that goes with it.")  # fmt: skip
        _split(files, by, work, as_json)
    key = read_public_key(public_key)
    bad = 0
    rows: list[Row] = []
    if files:
        classifier = Classifier.load(folder, key)
        manifest = classifier.manifest
        rows, bad = labelled_rows(files)
        title = f"Stopped as a direct message, {len(rows):,} messages"
        found = _measured(classifier, rows, whole=bool(as_json or page_file))
    else:
        manifest = read_verified_manifest(folder, key)
        found, title = manifest.unseen, UNSEEN
    held = checks(found) if files else checks(found, reached())
    sources = _left_out(manifest, rows, files, work) if leave_one_out else []
    drifts, since = _drift(found, manifest, rows, live_or_released(live, public_key))
    if page_file:
        _write_page(page_file, Findings(
            found, manifest, title + ".", held, digests_of(files), sources, drifts, since
        ))  # fmt: skip
        errors.print(f"The report is in {page_file}.", markup=False, soft_wrap=True)
    if as_json:
        print(json.dumps(_without_texts(found) | {
            "checks": [asdict(check) for check in held],
            "left_out": [share.as_data() for share in sources],
            "drift": [asdict(one) for one in drifts],
        }, ensure_ascii=False))  # fmt: skip
    else:
        shares = found.by_language if by == "language" else found.by_source
        output.print(show.metrics([share.as_data() for share in shares], title))
        _tell_curve(found)
        if sources:
            output.print(show.metrics([share.as_data() for share in sources],
                                      "Each source by a model trained without it"))  # fmt: skip
        if drifts:
            output.print(shown.drifts(drifts))
    sys.exit(SOME_LINES_UNUSABLE if bad else 0)


@click.command()
@click.argument("a", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("b", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("files", nargs=-1, type=existing)
@click.option("--key-of-a", type=any_path, callback=key_of("a"), help="PEM of A's key.")
@click.option("--key-of-b", type=any_path, callback=key_of("b"), help="PEM of B's key.")
@json_option
@refusals_told
def compare(
    a: Path, b: Path, files: tuple[Path, ...], key_of_a: Path, key_of_b: Path, as_json: bool
) -> None:
    """Hold model B against model A on labelled FILES, message by message.

    Without FILES, what training measured of each is compared, on messages that may not be the
    same. Ends with 1 where B is worse for any language and label, beyond the interval; the
    intervals hold for all rows at once with 95%.
    """
    keys = read_public_key(key_of_a), read_public_key(key_of_b)
    bad, changed = 0, []
    if files:
        models = Classifier.load(a, keys[0]), Classifier.load(b, keys[1])
        versions = [model.manifest.version for model in models]
        rows, bad = labelled_rows(files)
        with steps_told() as progress:
            decided = decisions(*models, rows, progress)
        found = paired(decided)
        changed = [one for one in decided if one.stopped_by_a != one.stopped_by_b]
        title = f"Stopped by A ({versions[0]}) and by B ({versions[1]}), {len(rows):,} messages"
    else:
        manifests = read_verified_manifest(a, keys[0]), read_verified_manifest(b, keys[1])
        versions = [manifest.version for manifest in manifests]
        found = unpaired(*(manifest.unseen.by_language for manifest in manifests))
        title = f"{UNSEEN}: A ({versions[0]}) and B ({versions[1]})"
    worse = any(one.worse for one in found)
    if as_json:
        print(json.dumps({
            "a": versions[0], "b": versions[1], "worse": worse,
            "differences": [one.as_data() for one in found],
            "changed": [asdict(one) for one in changed],
        }, ensure_ascii=False))  # fmt: skip
    else:
        output.print(shown.differences(found, title))
        if changed:
            output.print(shown.changed(changed))
        errors.print("B is worse where it is red." if worse else "B is nowhere worse than A.")
    sys.exit(REFUSED if worse else SOME_LINES_UNUSABLE if bad else 0)


@click.command()
@click.argument("file", required=False, type=existing)
@click.option("--text", callback=text_given, help="One message to disguise, instead of a FILE.")
@click.option("--language", type=click.Choice(languages()), default="en", show_default=True,
              help="Of --text: friendly sentences are put beside it in this language.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True)
@json_option
@model_option
@key_option
@refusals_told
def attack(
    file: Path | None, text: str | None, language: str, seed: int, as_json: bool, folder: Path,
    public_key: Path,
) -> None:  # fmt: skip
    """Disguise unwanted messages as spammers do, and count what the model then lets through.

    The messages are those of FILE that are labelled promotional, scam or other_spam; without a
    FILE those of the corpus, which the model was trained on.
    """
    if text is not None and file is not None:
        raise click.UsageError("Give a FILE or --text, not both.")
    classifier = Classifier.load(folder, read_public_key(public_key))
    if text is not None:
        _attack_one(classifier, Asked(text, language, "promotional", ""), seed, as_json)
        return
    asked, bad = _unwanted(file)
    with steps_told() as progress:
        found = attacked(classifier, classifier.thresholds, asked, seed, progress=progress)
    examples = {
        name: next((made for one in asked if (made := disguised(name, one, seed)) != one.text), "")
        for name in ATTACKS
    }
    if as_json:
        print(json.dumps({"lost": [asdict(lost) for lost in found], "examples": examples},
                         ensure_ascii=False))  # fmt: skip
    else:
        broken = {(lost.attack, lost.group) for lost in found if not check_of(lost).held}
        output.print(shown.attacks(found, examples, broken))
    sys.exit(SOME_LINES_UNUSABLE if bad else 0)


def labelled_rows(files: Sequence[Path]) -> tuple[list[Row], int]:
    """The rows of files that have a label, and how many lines could not be used.

    Raises FileUnusable where no row has one.
    """
    rows, bad = rows_of(files)
    labelled = [row for row in rows if row.label]
    if not labelled:
        names = ", ".join(file.name for file in files)
        raise FileUnusable(
            f"{names}: no line has a label. Say what each message is in `label`: "
            f"{', '.join(LABEL_MEANINGS)}."
        )
    return labelled, bad


def _measured(classifier: Classifier, rows: Sequence[Row], *, whole: bool) -> Report:
    asked = [Asked.of_row(row) for row in rows]
    version = classifier.manifest.version
    with steps_told() as progress:
        if whole:
            return measured(classifier, classifier.thresholds, asked, model=version,
                            with_texts=True, progress=progress)  # fmt: skip
        return report(judge_all(classifier, asked, progress), classifier.thresholds, version)


def _split(files: Sequence[Path], by: str, work: Path, as_json: bool) -> NoReturn:
    rows, bad = labelled_rows(files)
    with steps_told() as progress:
        found = by_cluster(Recipe(), rows, digests_of(files), work, progress)
    if as_json:
        print(json.dumps(_without_texts(found), ensure_ascii=False))
    else:
        shares = found.by_language if by == "language" else found.by_source
        title = "A fifth of the clusters, by a model trained on the others"
        output.print(show.metrics([share.as_data() for share in shares], title))
        _tell_curve(found)
    sys.exit(SOME_LINES_UNUSABLE if bad else 0)


def _tell_curve(found: Report) -> None:
    """What no threshold decides: how much could be caught at one share of innocent stopped."""
    for curve in found.curves:
        if curve.group == ALL:
            low, high = interval(round(curve.recall_at_rate * curve.unwanted), curve.unwanted)
            output.print(
                f"Where {FALSE_POSITIVE_RATE:.1%} of {curve.innocent:,} innocent messages are "
                f"stopped, {curve.recall_at_rate:.1%} ({low:.1%} to {high:.1%}) of "
                f"{curve.unwanted:,} unwanted ones are. Average precision "
                f"{curve.average_precision:.3f}.", soft_wrap=True,
            )  # fmt: skip


def _left_out(
    manifest: Manifest, rows: Sequence[Row], files: Sequence[Path], work: Path
) -> list[Share]:
    recipe = Recipe(seed=int(manifest.training["seed"]))
    with steps_told() as progress:
        return left_out(recipe, rows, digests_of(files), work, progress)


def _drift(
    found: Report, manifest: Manifest, rows: Sequence[Row], live: Live | None
) -> tuple[list[Drift], str]:
    """How far the report is from the last release, and what that is measured on, in a sentence."""
    if live is None or live.manifest.version == manifest.version:
        return [], ""
    version = live.manifest.version
    if rows and live.classifier is not None:
        with steps_told() as progress:
            judged = judge_all(live.classifier, [Asked.of_row(row) for row in rows], progress)
        then = report(judged, live.manifest.thresholds, version)
        return drift(then, found), f"The same messages as judged by the last release, {version}."
    return drift(live.manifest.unseen, found), (
        f"Messages as the last release, {version}, judged them when it was trained; they are not "
        "the same messages."
    )


def live_or_released(folder: Path | None, public_key: Path) -> Live | None:
    """The model in that folder, or the released one; none where there is neither."""
    if folder is None:
        if not (RELEASED.model / MANIFEST_FILE).exists():
            return None
        folder, public_key = RELEASED.model, RELEASED.public_key
    return load_live(folder, read_public_key(public_key))


def _unwanted(file: Path | None) -> tuple[list[Asked], int]:
    """The unwanted messages of a file, or of the corpus; and how many lines could not be used."""
    if file is None:
        messages = expand(1, Shares(from_pattern=1, hard_pairs=0))
        return [Asked(one.text, one.language, one.label, "corpus", one.place)
                for one in messages if one.label in UNWANTED], 0  # fmt: skip
    rows, bad = rows_of([file])
    asked = [Asked.of_row(row) for row in rows if row.unwanted]
    if not asked:
        raise FileUnusable(f"{file.name}: no line is labelled {', '.join(UNWANTED)}.")
    return asked, bad


def _attack_one(classifier: Classifier, asked: Asked, seed: int, as_json: bool) -> None:
    texts = {"as it is": asked.text} | {
        name: made for name in ATTACKS if (made := disguised(name, asked, seed)) != asked.text
    }
    judged = dict(zip(texts, classifier.judge(list(texts.values())), strict=True))
    if as_json:
        print(json.dumps([
            {"attack": name, "text": texts[name], "unwanted": round(judgement.unwanted, 6),
             "decision": classifier.thresholds.decision(judgement)}
            for name, judgement in judged.items()
        ], ensure_ascii=False))  # fmt: skip
    else:
        output.print(shown.attacks_on_one(texts, judged, classifier.thresholds))


def _write_page(file: Path, found: Findings) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(page(found), encoding="utf-8")
    draft.replace(file)


def _without_texts(found: Report) -> dict[str, Any]:
    return replace(
        found, mistakes=tuple(replace(mistake, text="") for mistake in found.mistakes)
    ).as_data()
