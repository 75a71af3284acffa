"""`hudhud-ml evaluate`, `compare` and `attack`, as an operator calls them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.cli import main
from ml.command import SOME_LINES_UNUSABLE
from ml.corpus.expand import Shares, expand
from ml.data import Row
from ml.evaluation import cli, left_out
from ml.evaluation.gate import Live
from ml.measuring import ATTACKS
from ml.places import MANIFEST_FILE, Place
from ml.release import MODEL_FILE, write_release
from ml.report import Report
from ml.train import Training
from tests.ml.conftest import SMALL, Release


@pytest.fixture(autouse=True)
def nothing_released(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """So that no test depends on the model that the repository releases."""
    nowhere = Place(tmp_path / "released", tmp_path / "released.pub")
    monkeypatch.setattr(cli, "RELEASED", nowhere)


@pytest.fixture(scope="session")
def rows() -> list[dict[str, str]]:
    """Messages of both languages that the small model knows, from two sources."""
    found: dict[tuple[str, str], list[dict[str, str]]] = {}
    for message in expand(2, Shares(from_pattern=1, hard_pairs=0), only=SMALL.languages):
        cell = found.setdefault((message.language, message.label), [])
        cell.append({
            "id": f"{message.language}-{message.label}-{len(cell)}", "text": message.text,
            "lang": message.language, "label": message.label,
            "source": "even" if len(cell) % 2 else "odd",
        })  # fmt: skip
    return [row for cell in found.values() for row in cell[:30]]


@pytest.fixture
def rows_file(tmp_path: Path, rows: list[dict[str, str]]) -> Path:
    return written(tmp_path / "rows.jsonl", rows)


@pytest.fixture
def worse(
    release: Release, small_training: Training, described: dict[str, Any], tmp_path: Path
) -> Path:
    """The same model with a threshold at which it stops next to nothing."""
    lax = described | {"thresholds": described["thresholds"] | {
        "direct": 0.9999, "direct_unknown_language": 0.9999}}  # fmt: skip
    write_release(tmp_path / "worse", small_training.models, lax, release.key)
    return tmp_path / "worse"


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_evaluate_shows_shares_by_label(rows_file: Path, with_model: list[str]) -> None:
    result = run("evaluate", rows_file, "--by", "source", *with_model)

    assert result.exit_code == 0, result.output
    assert "240 messages" in result.stdout
    assert "even" in result.stdout
    assert "Where 0.5% of 120 innocent messages are stopped" in result.stdout
    assert "transactional" in result.stdout


def test_evaluate_without_files_tells_what_training_measured(with_model: list[str]) -> None:
    result = run("evaluate", *with_model)

    assert result.exit_code == 0, result.output
    assert "sections and sources it had not seen" in result.stdout


def test_evaluate_writes_everything_for_machines_and_for_people(
    rows_file: Path, with_model: list[str], tmp_path: Path, rows: list[dict[str, str]]
) -> None:
    page = tmp_path / "reports" / "report.html"
    result = run("evaluate", rows_file, "--json", "--html", page, *with_model)

    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert Report.from_data(told).measured_on == {"even": 120, "odd": 120}
    assert {lost["attack"] for lost in told["attacks"]} == set(ATTACKS)
    assert told["checks"]
    # Texts are on the page, for whoever has the messages anyway, and not in what travels on.
    assert told["mistakes"]
    assert {mistake["text"] for mistake in told["mistakes"]} == {""}
    texts = {row["id"]: row["text"] for row in rows}
    html = page.read_text()
    assert html.startswith("<!DOCTYPE html>")
    assert texts[told["mistakes"][0]["id"]].split()[0] in html
    assert "rows.jsonl" in html


def test_the_same_seed_measures_the_same(rows_file: Path, with_model: list[str]) -> None:
    first, second = (run("evaluate", rows_file, "--json", *with_model).stdout for _ in range(2))

    assert first == second


def test_evaluate_names_bad_lines_and_goes_on(rows_file: Path, with_model: list[str]) -> None:
    rows_file.write_text(rows_file.read_text() + '{bad\n{"text": "x", "label": "nice"}\n')
    result = run("evaluate", rows_file, *with_model)

    assert result.exit_code == SOME_LINES_UNUSABLE
    assert "rows.jsonl:241: not JSON" in result.stderr
    assert "rows.jsonl:242: unknown label 'nice'" in result.stderr
    assert "240 messages" in result.stdout


@pytest.mark.parametrize("command", ["evaluate", "attack"])
def test_a_file_without_labels_is_refused(
    command: str, tmp_path: Path, with_model: list[str]
) -> None:
    file = written(tmp_path / "bare.jsonl", [{"id": "1", "text": "Hello there"}])
    result = run(command, file, *with_model)

    assert result.exit_code == 1
    assert "FileUnusable: bare.jsonl: no line" in result.stderr


def test_one_class_and_one_language_are_measured_as_far_as_they_go(
    tmp_path: Path, with_model: list[str]
) -> None:
    file = written(tmp_path / "one.jsonl", [{"text": "Спасибо, до встречи", "label": "personal"}])
    result = run("evaluate", file, "--html", tmp_path / "one.html", *with_model)

    assert result.exit_code == 0, result.output
    assert "not said" in result.stdout
    assert "Precision" not in (tmp_path / "one.html").read_text()


def test_a_source_name_is_no_markup(tmp_path: Path, with_model: list[str]) -> None:
    row = {"text": "See you at noon", "label": "personal", "source": "[b]/[/b]"}
    result = run("evaluate", written(tmp_path / "a.jsonl", [row]), "--by", "source", *with_model)

    assert result.exit_code == 0, result.output
    assert "[b]/[/b]" in result.stdout


def test_drift_is_told_against_the_live_model(
    rows_file: Path, with_model: list[str], worse: Path
) -> None:
    """The lax model judges the same; so nothing has moved, and its own figures are not needed."""
    result = run("evaluate", rows_file, "--live", worse, "--json", *with_model)
    drift = json.loads(result.stdout)["drift"]

    assert not drift  # the two models are one: their versions are equal


def test_drift_against_what_cannot_be_loaded_rests_on_its_manifest(
    rows_file: Path, with_model: list[str], monkeypatch: pytest.MonkeyPatch, small_classifier: Any
) -> None:
    manifest = replace(small_classifier.manifest, version="older")
    monkeypatch.setattr(cli, "load_live", lambda *_: Live(manifest, None))
    result = run("evaluate", rows_file, "--live", rows_file.parent, "--json", *with_model)

    drift = json.loads(result.stdout)["drift"]
    assert {one["group"] for one in drift} >= {"all"}


def test_leave_one_out_trains_once_for_each_source(
    rows_file: Path, with_model: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    small_training: Training,
) -> None:  # fmt: skip
    trained: list[set[str]] = []

    def without(_recipe: Any, rows: list[Row], *_: Any) -> Training:
        trained.append({row.source for row in rows})
        return small_training

    monkeypatch.setattr(left_out, "train", without)
    arguments = ("evaluate", rows_file, "--leave-one-out", "--work", tmp_path / "work", *with_model)

    first = run(*arguments)
    assert first.exit_code == 0, first.output
    assert "Each source by a model trained without it" in first.stdout
    assert trained == [{"odd"}, {"even"}]
    # What is done is kept: a second call trains nothing.
    assert run(*arguments).stdout == first.stdout
    assert len(trained) == 2
    shares = json.loads(run(*arguments, "--json").stdout)["left_out"]
    assert {(share["group"], share["count"]) for share in shares} == {("even", 30), ("odd", 30)}


def test_a_split_by_cluster_trains_once_on_what_it_does_not_measure(
    rows_file: Path, rows: list[dict[str, str]], tmp_path: Path, small_training: Training,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    trained: list[set[str]] = []

    def some(_recipe: Any, rows: list[Row], *_: Any) -> Training:
        trained.append({row.id for row in rows})
        return small_training

    monkeypatch.setattr(left_out, "train", some)
    result = run("evaluate", rows_file, "--split", "--json", "--work", tmp_path / "work")

    assert result.exit_code == 0, result.output
    [seen] = trained
    measured = sum(json.loads(result.stdout)["measured_on"].values())
    assert 20 < measured == len(rows) - len(seen) < 80
    table = run("evaluate", rows_file, "--split", "--work", tmp_path / "work")
    assert "by a model trained on the others" in table.stdout


def test_a_split_of_one_cluster_is_refused(rows: list[dict[str, str]], tmp_path: Path) -> None:
    file = written(tmp_path / "one.jsonl", [row | {"group": "g"} for row in rows])
    result = run("evaluate", file, "--split", "--work", tmp_path / "work")

    assert result.exit_code == 1
    assert "all are of one cluster" in result.stderr


@pytest.mark.parametrize("arguments", [["--leave-one-out"], ["--split"]])
def test_leaving_out_needs_files(arguments: list[str], with_model: list[str]) -> None:
    assert run("evaluate", *arguments, *with_model).exit_code == 2


def test_a_split_measures_a_model_of_its_own(rows_file: Path, tmp_path: Path) -> None:
    assert run("evaluate", rows_file, "--split", "--html", tmp_path / "page.html").exit_code == 2


def test_compare_tells_what_changed_and_where_b_is_worse(
    rows_file: Path, release: Release, worse: Path, public_key_file: Path
) -> None:
    keys = ("--key-of-a", public_key_file, "--key-of-b", public_key_file)
    result = run("compare", release.folder, worse, rows_file, "--json", *keys)

    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["worse"]
    assert told["changed"]
    assert all(one["stopped_by_a"] and not one["stopped_by_b"] for one in told["changed"])
    promotional = next(one for one in told["differences"]
                       if (one["group"], one["label"]) == ("all", "promotional"))  # fmt: skip
    assert promotional["worse"]
    assert promotional["high"] < 0
    table = run("compare", release.folder, worse, rows_file, *keys)
    assert table.exit_code == 1
    assert told["changed"][0]["id"] in table.stdout

    back = run("compare", worse, release.folder, rows_file, "--json", *keys)
    again = json.loads(back.stdout)
    assert {one["id"] for one in again["changed"]} == {one["id"] for one in told["changed"]}


def test_a_model_is_nowhere_worse_than_itself(
    rows_file: Path, release: Release, public_key_file: Path
) -> None:
    keys = ("--key-of-a", public_key_file, "--key-of-b", public_key_file)
    for files in ([rows_file], []):
        result = run("compare", release.folder, release.folder, *files, *keys)
        assert result.exit_code == 0, result.output
        assert "nowhere worse" in result.stderr


def test_compare_refuses_a_model_of_another_key(
    rows_file: Path, release: Release, worse: Path, public_key_file: Path,
    small_training: Training, described: dict[str, Any],
) -> None:  # fmt: skip
    write_release(worse, small_training.models, described, Ed25519PrivateKey.generate())
    result = run("compare", release.folder, worse, rows_file, "--key-of-a", public_key_file,
                 "--key-of-b", public_key_file)  # fmt: skip

    assert result.exit_code == 1
    assert result.stderr.startswith("SignedByAnotherKey:")
    assert run("compare", release.folder).exit_code == 2
    assert run("compare", release.folder, "/nonexistent").exit_code == 2


def test_attack_counts_what_gets_through(rows_file: Path, with_model: list[str]) -> None:
    result = run("attack", rows_file, "--json", *with_model)

    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert {lost["attack"] for lost in told["lost"]} == set(ATTACKS)
    for lost in told["lost"]:
        assert lost["stopped_before"] <= lost["count"] <= 120
    assert set(told["examples"]) == set(ATTACKS)
    assert "\u200b" not in run("attack", rows_file, *with_model).stdout


def test_attack_shows_one_text_in_every_disguise(with_model: list[str]) -> None:
    result = run("attack", "--text", "Call 555 2010 now, mega discount on handbags", "--json",
                 *with_model)  # fmt: skip

    told = {one["attack"]: one for one in json.loads(result.stdout)}
    assert set(told) == {"as it is", *ATTACKS}
    assert len({one["text"] for one in told.values()}) == len(told)
    table = run("attack", "--text", "Mega discount on handbags", *with_model)
    assert "tatweel and diacritics" in table.stdout
    assert "unwanted" in table.stdout
    assert "allow" in table.stdout or "block" in table.stdout


@pytest.mark.parametrize("text", ["", "👍", "\u202e\u2066", "a" * 4096])
def test_attack_takes_any_text(text: str, with_model: list[str]) -> None:
    assert run("attack", "--text", text, *with_model).exit_code == 0


def test_attack_takes_a_file_or_a_text(rows_file: Path, with_model: list[str]) -> None:
    assert run("attack", rows_file, "--text", "x", *with_model).exit_code == 2


@pytest.mark.parametrize("command", ["evaluate", "attack"])
def test_a_model_that_was_tampered_with_is_refused(
    command: str, release: Release, rows_file: Path, with_model: list[str]
) -> None:
    (release.folder / MODEL_FILE).write_bytes(b"something else")
    result = run(command, rows_file, *with_model)

    assert result.exit_code == 1
    assert result.stderr.startswith("DigestMismatch:")
    (release.folder / MANIFEST_FILE).unlink()
    assert run("evaluate", *with_model).stderr.startswith("ModelMissing:")
