"""`hudhud-ml release` lets through what keeps its limits and is no worse than the live model."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ml.classifier import Classifier
from ml.cli import main
from ml.command import SOME_LINES_UNUSABLE
from ml.errors import CostsUnknown
from ml.evaluation import cli, gate, limits, reached, release_cli
from ml.evaluation.costs import costs_of
from ml.evaluation.gate import TRAFFIC, load_live, traffic, verdict
from ml.evaluation.reached import Reached
from ml.measuring import ATTACKS
from ml.places import MANIFEST_FILE, Place
from ml.release import MODEL_FILE, write_release
from ml.report import Report
from ml.train import Training
from services.local.leash import Leash
from tests.ml.conftest import Release, in_silence

FAST = {"alone_milliseconds": 1.0, "batched_milliseconds": 0.1, "resident_megabytes": 50.0}


@pytest.fixture(autouse=True)
def quick_and_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Costs are given, and no test depends on the model that the repository releases."""
    monkeypatch.setattr(release_cli, "costs_of", lambda *_: FAST)
    monkeypatch.setattr(gate, "ATTACKED_MAX", 10)
    nowhere = Place(tmp_path / "released", tmp_path / "released.pub")
    for module in (cli, gate, reached):
        monkeypatch.setattr(module, "RELEASED", nowhere)


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Limits that the small model keeps, to be made stricter one by one."""
    eased = deepcopy(limits.limits())
    for table, limit in (("stopped_under", 1.01), ("stopped_least", 0.0), ("lost_under", 1.01),
                         ("named_least", 0.0)):  # fmt: skip
        eased[table] = dict.fromkeys(eased[table], limit)
    monkeypatch.setattr(limits, "limits", lambda: eased)
    return eased


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def history(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / release_cli.HISTORY_FILE).read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_what_keeps_its_limits_is_kept_by_version(
    lenient: dict[str, Any], with_model: list[str], release: Release, tmp_path: Path
) -> None:
    target = tmp_path / "releases"
    result = run("release", "--to", target, *with_model)

    assert result.exit_code == 0, result.output
    version = Classifier.load(release.folder, release.key.public_key()).manifest.version
    assert {path.name for path in (target / version).iterdir()} == {MODEL_FILE, MANIFEST_FILE}
    # What was copied is signed as it was.
    kept = Classifier.load(target / version, release.key.public_key())
    assert kept.manifest.version == version
    [line] = history(target)
    assert (line["version"], line["refused"], line["live"]) == (version, False, "")
    assert line["checks"]

    assert version in run("releases", target).stdout
    assert json.loads(run("releases", target, "--json").stdout) == [line]

    # Releasing it again changes nothing.
    assert run("release", "--to", target, *with_model).exit_code == 0
    assert len(history(target)) == 1


@pytest.mark.parametrize(
    ("table", "limit", "told"),
    [
        ("stopped_under", 0.0, "transactional stopped"),
        ("stopped_least", 1.01, "scam stopped"),
        ("lost_under", -2.0, "lost to homoglyphs"),
        ("named_least", 1.01, "explanations that name what decided"),
        ("cost_under", 0.01, "batched milliseconds"),
    ],
)
def test_each_limit_refuses_and_is_named(
    table: str, limit: float, told: str, lenient: dict[str, Any], with_model: list[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    lenient[table] = dict.fromkeys(lenient[table], limit)
    result = run("release", "--to", tmp_path / "releases", "--json", *with_model)

    assert result.exit_code == 1, result.output
    verdict = json.loads(result.stdout)
    assert verdict["refused"]
    assert told in {check["what"] for check in verdict["checks"] if not check["held"]}
    assert not (tmp_path / "releases").exists()
    assert "is not released" in run("release", "--to", tmp_path / "b", *with_model).stderr


def test_what_is_known_not_to_be_reached_is_told_and_refuses_nothing(
    lenient: dict[str, Any], with_model: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    lenient["stopped_least"] = dict.fromkeys(lenient["stopped_least"], 1.01)
    missed = [(f"{label} stopped", language)
              for label in ("promotional", "scam") for language in ("ar", "en")]  # fmt: skip
    monkeypatch.setattr(gate, "reached", lambda: Reached(dict.fromkeys(missed, 0.0)))
    result = run("release", "--to", tmp_path / "releases", *with_model)

    assert result.exit_code == 0, result.output
    assert "Not reached yet, and known" in result.stderr
    monkeypatch.setattr(gate, "reached", lambda: Reached(dict.fromkeys(missed, 1.0)))
    assert run("release", "--to", tmp_path / "again", *with_model).exit_code == 1


def test_a_model_that_is_worse_than_the_live_one_is_refused(
    lenient: dict[str, Any], with_model: list[str], small_training: Training,
    described: dict[str, Any], release: Release, tmp_path: Path,
) -> None:  # fmt: skip
    """The live one is said to stop every promotional message: this one cannot keep up."""
    better = deepcopy(described)
    for share in better["unseen"]["by_language"]:
        if share["label"] == "promotional":
            share |= {"stopped": share["count"], "share": 1.0}
    live = tmp_path / "live"
    write_release(live, small_training.models, better, release.key)
    arguments = ("release", "--to", tmp_path / "releases", "--live", live, *with_model)

    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert "Worse than the live model" in result.stderr
    assert "promotional" in result.stderr
    worse = [one for one in json.loads(run(*arguments, "--json").stdout)["differences"]
             if one["worse"]]  # fmt: skip
    assert {one["label"] for one in worse} == {"promotional"}
    assert all(one["high"] < 0 for one in worse)

    # The other way round there is nothing against it.
    turned = ("--model", live, *with_model[2:], "--live", release.folder)
    assert run("release", "--to", tmp_path / "releases", *turned).exit_code == 0
    assert history(tmp_path / "releases")[0]["live"]


def test_files_are_measured_with_both_models(
    lenient: dict[str, Any], with_model: list[str], small_training: Training,
    described: dict[str, Any], release: Release, tmp_path: Path,
) -> None:  # fmt: skip
    """What stops nothing is worse on the same messages than what stops everything."""
    for name, threshold in (("strict", 0.0), ("lax", 1.1)):
        told = described | {"thresholds": described["thresholds"] | {
            "direct": threshold, "direct_unknown_language": threshold}}  # fmt: skip
        write_release(tmp_path / name, small_training.models, told, release.key)
    file = tmp_path / "rows.jsonl"
    row = {"text": "MEGA SALE 70% off everything, shop now!", "label": "promotional", "lang": "en"}
    file.write_text("".join(json.dumps(row | {"id": str(at)}) + "\n" for at in range(60)))

    result = run("release", file, "--to", tmp_path / "releases", "--live", tmp_path / "strict",
                 "--json", "--model", tmp_path / "lax", *with_model[2:])  # fmt: skip
    assert result.exit_code == 1, result.output
    [worse, _] = [one for one in json.loads(result.stdout)["differences"] if one["worse"]]
    assert (worse["label"], worse["stopped_by_a"], worse["stopped_by_b"]) == ("promotional", 1, 0)


def test_what_the_live_model_misses_on_files_another_may_miss_too(
    lenient: dict[str, Any], with_model: list[str], small_training: Training,
    described: dict[str, Any], release: Release, tmp_path: Path,
) -> None:  # fmt: skip
    lenient["stopped_least"] |= {"promotional": 0.9}
    lenient["evidence"] |= {"messages_min": 10}
    for name, threshold in (("strict", 0.0), ("lax", 1.1), ("as lax", 1.2)):
        told = described | {"thresholds": described["thresholds"] | {
            "direct": threshold, "direct_unknown_language": threshold}}  # fmt: skip
        for share in told["unseen"]["by_language"]:  # nothing is said against its training
            share |= {"stopped": share["count"], "share": 1.0, "low": 0.99, "high": 1.0}
        write_release(tmp_path / name, small_training.models, told, release.key)
    file = tmp_path / "rows.jsonl"
    row = {"text": "MEGA SALE 70% off everything, shop now!", "label": "promotional", "lang": "en"}
    file.write_text("".join(json.dumps(row | {"id": str(at)}) + "\n" for at in range(12)))

    def told_of(live: str) -> dict[str, Any]:
        result = run("release", file, "--to", tmp_path / "releases", "--live", tmp_path / live,
                     "--json", "--model", tmp_path / "lax", *with_model[2:])  # fmt: skip
        [check] = [one for one in json.loads(result.stdout)["checks"] if not one["held"]]
        return {**check, "exit_code": result.exit_code}

    beside_one_as_lax = told_of("as lax")
    assert beside_one_as_lax["exit_code"] == 0
    assert "the live model misses it" in beside_one_as_lax["known"]
    beside_a_strict_one = told_of("strict")
    assert beside_a_strict_one["exit_code"] == 1
    assert beside_a_strict_one["known"] == ""


@pytest.mark.parametrize("version", ["", "another"])
def test_what_disguises_get_past_the_released_model_they_may_get_past_another(
    version: str, lenient: dict[str, Any], small_classifier: Classifier, release: Release,
    public_key_file: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Both are attacked with the same messages, whatever the corpus is when they are."""
    lenient["lost_under"] = dict.fromkeys(lenient["lost_under"], -2.0)
    candidate = small_classifier
    candidate.manifest = replace(
        candidate.manifest, version=version or candidate.manifest.version
    )  # fmt: skip
    without = verdict(candidate, None, [], FAST, in_silence)
    assert {check.what for check in without.broken} == {f"lost to {name}" for name in ATTACKS}

    for module in (gate, reached):
        monkeypatch.setattr(module, "RELEASED", Place(release.folder, public_key_file))
    beside = verdict(candidate, None, [], FAST, in_silence)
    assert not beside.broken
    assert {check.what for check in beside.known} == {f"lost to {name}" for name in ATTACKS}


def test_time_is_taken_of_traffic_as_it_is_on_the_road() -> None:
    assert len(traffic()) == sum(TRAFFIC.values())


def test_a_history_that_is_none_is_refused(tmp_path: Path) -> None:
    result = run("releases", tmp_path)
    assert result.exit_code == 1
    assert "nothing was released here" in result.stderr


def test_a_line_of_the_history_that_was_cut_short_takes_no_other_with_it(
    lenient: dict[str, Any], with_model: list[str], tmp_path: Path
) -> None:
    file = tmp_path / release_cli.HISTORY_FILE
    file.write_bytes(b'{"version": "1"}\n\xff\n{"version": "2", "rel')
    assert run("release", "--to", tmp_path, *with_model).exit_code == 0
    result = run("releases", tmp_path, "--json")

    assert result.exit_code == SOME_LINES_UNUSABLE
    assert len(json.loads(result.stdout)) == 1
    for said in ("1: not what `release` wrote", "2: not UTF-8", "3: not JSON"):
        assert f"history.jsonl:{said}" in result.stderr


def test_bad_calls_and_models_are_refused(
    with_model: list[str], release: Release, tmp_path: Path
) -> None:
    assert run("release", *with_model).exit_code == 2
    bare = tmp_path / "bare.jsonl"
    bare.write_text('{"text": "Hello there"}\n')
    assert "no line has a label" in run("release", bare, "--to", tmp_path, *with_model).stderr
    (release.folder / MODEL_FILE).write_bytes(b"something else")
    result = run("release", "--to", tmp_path / "releases", *with_model)
    assert result.exit_code == 1
    assert result.stderr.startswith("DigestMismatch:")


def test_a_live_model_of_other_libraries_is_known_by_its_manifest(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ml.release as releases

    monkeypatch.setattr(releases, "libraries", lambda: {"numpy": "99"})
    live = load_live(release.folder, release.key.public_key())

    assert live.classifier is None
    assert isinstance(live.manifest.unseen, Report)


def test_costs_are_measured_in_a_process_of_their_own(
    release: Release, public_key_file: Path, tmp_path: Path, leash: Leash
) -> None:
    texts = [f"Order {at} is ready. Collect it at the counter until six." for at in range(600)]
    costs = costs_of(release.folder, public_key_file, texts)

    assert costs.keys() == FAST.keys()
    assert 0 < costs["batched_milliseconds"] < costs["alone_milliseconds"] < 100
    assert 0 < costs["resident_megabytes"] < 500
    with pytest.raises(CostsUnknown, match="could not be measured"):
        costs_of(tmp_path / "nothing", public_key_file, texts)
