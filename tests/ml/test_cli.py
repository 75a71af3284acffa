"""`hudhud-ml`, as an operator calls it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ml.classifier import Classifier
from ml.cli import main
from ml.command import SOME_LINES_UNUSABLE, Told
from ml.data import Row
from ml.data.labels import Entry
from ml.data.store import Store
from ml.places import MANIFEST_FILE
from ml.release import MODEL_FILE
from ml.train import Recipe, Training
from tests.ml.conftest import SMALL, Release

ROWS = [
    {"id": "1", "text": "Where are you? Dinner is ready", "lang": "en", "label": "personal"},
    {"id": "2", "text": "MEGA SALE 70% off, shop now!", "lang": "en", "label": "promotional"},
    {"id": "3", "text": "👍", "lang": "en", "label": "personal"},
]


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS))
    return path


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_score_writes_a_line_for_every_message(rows_file: Path, with_model: list[str]) -> None:
    out = rows_file.with_name("scored.jsonl")
    result = run("score", rows_file, "--out", out, *with_model)

    assert result.exit_code == 0, result.output
    scored = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in scored] == ["1", "2", "3"]
    assert {row["decision"] for row in scored} <= {"allow", "block"}
    assert scored[2]["abstention"] == "too little text"
    assert sum(
        scored[0][label] for label in ("promotional", "scam", "transactional", "personal")
    ) == (pytest.approx(1, abs=1e-4))


def test_score_names_bad_lines_and_goes_on(rows_file: Path, with_model: list[str]) -> None:
    rows_file.write_text("{bad\n" + rows_file.read_text() + '{"id": "4"}\n')
    result = run("score", rows_file, *with_model)

    assert result.exit_code == SOME_LINES_UNUSABLE
    assert "rows.jsonl:1: not JSON" in result.stderr
    assert "rows.jsonl:5: no text" in result.stderr
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["1", "2", "3"]


def test_score_needs_a_text_and_nothing_else(rows_file: Path, with_model: list[str]) -> None:
    """Labels and languages of others are no reason not to judge; an empty text is one too."""
    lines = [
        {"id": "a", "text": "", "label": "spam"},
        {"text": "Where are you? Dinner is ready", "lang": "?", "label": 7},
        {"id": "c", "text": None},
        {"id": "d", "text": "half \ud800"},
    ]
    rows_file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = run("score", rows_file, *with_model)

    assert result.exit_code == SOME_LINES_UNUSABLE
    scored = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["id"], row["abstention"]) for row in scored] == [
        ("a", "too little text"), ("2", None),
    ]  # fmt: skip
    assert "rows.jsonl:3: no text" in result.stderr
    assert "rows.jsonl:4: half a character" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("explain", "sale \udcff"), ("attack", "--text", "sale \udcff"),
     ("attack", "--text", "sale", "--language", "zz"), ("label", "--by", " "),
     ("label", "--by", "\udcff"), ("train", "--seed", "-1"), ("retrain", "--seed", "-1")],
)  # fmt: skip
def test_what_is_typed_must_make_sense(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_explain_marks_words(with_model: list[str]) -> None:
    text = "Enjoy 70% off all shoes, shop now"
    result = run("explain", text, "--json", *with_model)

    explained = json.loads(result.stdout)
    assert explained["spans"]
    for span in explained["spans"]:
        assert text[span["start"] : span["end"]] == span["text"]
    assert "as a direct message" in run("explain", text, *with_model).stdout


@pytest.mark.parametrize("text", ["\u202eSALE \x1b[2J70% off", "\u202e\x1b[2J👍"])
def test_explain_shows_what_would_steer_a_terminal_and_obeys_none_of_it(
    text: str, with_model: list[str]
) -> None:
    shown = run("explain", text, *with_model).stdout

    assert "‹U+202E›" in shown
    assert "‹U+001B›" in shown
    assert "\u202e" not in shown
    assert "\x1b" not in shown


def test_explain_says_why_it_does_not_judge(with_model: list[str]) -> None:
    assert "No judgement: too little text" in run("explain", "👍", *with_model).stdout


def test_a_model_that_was_tampered_with_is_refused(
    release: Release, rows_file: Path, with_model: list[str]
) -> None:
    (release.folder / MODEL_FILE).write_bytes(b"something else")
    result = run("score", rows_file, *with_model)

    assert result.exit_code == 1
    assert result.stderr.startswith("DigestMismatch:")


def test_a_missing_key_is_named(rows_file: Path, tmp_path: Path) -> None:
    result = run("score", rows_file, "--public-key", tmp_path / "nothing.pub")

    assert result.exit_code == 1
    assert "nothing.pub" in result.stderr


def test_train_leaves_a_fresh_model_alone(
    small_training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The small model is what the small recipe gives; it is not trained once more."""
    trained: list[Recipe] = []

    def train(recipe: Recipe, *_: object) -> Training:
        trained.append(recipe)
        return small_training

    monkeypatch.setattr("ml.train.Recipe", lambda seed, by_source: replace(SMALL, seed=seed))
    monkeypatch.setattr("ml.make_release.train", train)
    key = tmp_path / "keys" / "release.key"
    arguments = ("train", "--if-stale", "--out", tmp_path / "made", "--signing-key", key,
                 "--store", tmp_path / "store", "--work", tmp_path / "work")  # fmt: skip

    first = run(*arguments)
    assert first.exit_code == 0, first.output
    assert (tmp_path / "made" / MANIFEST_FILE).exists()
    assert key.stat().st_mode & 0o777 == 0o600
    assert "is up to date" in run(*arguments).stderr
    assert trained == [SMALL]
    assert run(*arguments, "--seed", 2).exit_code == 0
    assert trained == [SMALL, replace(SMALL, seed=2)]


def test_where_there_is_no_terminal_each_step_is_a_line(
    small_training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(_recipe: Recipe, _rows: object, _digests: object, told: Told, *_: object) -> Training:
        for done in range(3):
            told("embedding", done, 3)
        told("fitting [the second look]", 1, 2)
        return small_training

    monkeypatch.setattr("ml.make_release.train", train)
    result = run("train", "--out", tmp_path / "made", "--signing-key", tmp_path / "release.key",
                 "--store", tmp_path / "store", "--work", tmp_path / "work")  # fmt: skip

    steps = [line for line in result.stderr.splitlines() if line.startswith("[")]
    assert steps == ["[0/3] embedding", "[1/2] fitting [the second look]"]


@pytest.mark.parametrize("alone", [True, False])
def test_of_a_model_from_the_corpus_alone_it_is_said_how_good_it_is(
    alone: bool, small_training: Training, rows_file: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("ml.make_release.train", lambda *_: small_training)
    rows_file.write_text(rows_file.read_text() + '{"text": "Nobody says what this is"}\n')
    result = run("train", *(() if alone else ("--data", rows_file)), "--out", tmp_path / "made",
                 "--signing-key", tmp_path / "release.key", "--store", tmp_path / "store",
                 "--work", tmp_path / "work")  # fmt: skip

    assert result.exit_code == 0, result.output
    assert ("by a model from the corpus alone (A" in result.stderr) == alone
    assert ("It learned from the corpus alone" in result.stderr) == alone
    assert ("Left out of training: 1, without a label." in result.stderr) != alone


def test_train_learns_from_the_store_and_not_from_what_is_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training itself is not run: it is what it is given that is looked at."""
    given: list[tuple[list[Row], dict[str, str]]] = []

    def train(_: object, rows: list[Row], data: dict[str, str], *__: object) -> None:
        given.append((rows, data))
        raise OSError("that is enough")

    monkeypatch.setattr("ml.make_release.train", train)
    store = Store(tmp_path / "store")
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    run("data", "add", file, "--store", store.folder)
    store.say(
        [Entry("r", "review", "2026-03-01T12:00:00Z", "ann", label="scam", of="rows.jsonl:2")]
    )
    arguments = ("train", "--store", store.folder, "--out", tmp_path / "made", "--signing-key",
                 tmp_path / "release.key", "--work", tmp_path / "work")  # fmt: skip
    assert "that is enough" in run(*arguments).stderr
    run("label", "--withdraw", "r", "--store", store.folder)
    run(*arguments)

    run(*arguments, "--data", file, "--data", file)

    (before, digests), (after, others), (_, twice) = given
    assert [row.label for row in before] == ["personal", "scam", "personal"]
    assert [row.label for row in after] == ["personal", "promotional", "personal"]
    assert set(digests) == {"store rows.jsonl", "store labels"}
    assert digests != others
    assert {"rows.jsonl", "rows.jsonl (2)"} < twice.keys()


def test_nothing_is_left_of_a_scoring_that_failed(
    rows_file: Path, with_model: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = rows_file.with_name("scored.jsonl")
    out.write_text("what was there before\n")

    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Classifier, "judge", full)
    result = run("score", rows_file, "--out", out, *with_model)

    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert out.read_text() == "what was there before\n"
    assert [path.name for path in rows_file.parent.glob(".*")] == []


def test_a_wrong_call_ends_with_two() -> None:
    assert run("score", "/nonexistent.jsonl").exit_code == 2
    assert run("nothing").exit_code == 2
    assert run("--help").exit_code == 0
