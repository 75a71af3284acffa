"""The store stays whole whatever happens, and tells what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ml.cli import main
from ml.command import SOME_LINES_UNUSABLE
from ml.data.labels import Entry
from ml.data.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def run(store: Store, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["data", *arguments, "--store", str(store.folder)])


def add(store: Store, name: str, *rows: dict[str, Any]) -> Result:
    path = store.folder.parent / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return run(store, "add", str(path))


HELLO = {"id": "1", "text": "Are you coming home for dinner?", "lang": "en", "label": "personal"}
SALE = {"id": "2", "text": "Everything is half price today", "lang": "en", "label": "promotional"}


@pytest.mark.parametrize("broken_at", [1, 2])
def test_an_addition_cut_off_leaves_the_store_as_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch, broken_at: int
) -> None:
    """Before the messages are in place, and before the manifest is."""
    add(store, "first.jsonl", HELLO)
    before = store.rows()
    replaced: list[Path] = []
    real = Path.replace

    def cut_off(self: Path, target: Path) -> Path:
        replaced.append(target)
        if len(replaced) == broken_at:
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", cut_off)
    assert add(store, "second.jsonl", SALE).exit_code != 0
    monkeypatch.undo()

    assert store.rows() == before
    assert add(store, "second.jsonl", SALE).exit_code == 0
    assert [row.id for row in store.rows()] == ["1", "2"]
    kept = {path.name for path in store.folder.iterdir()}
    assert kept == {source.file for source in store.manifest().sources.values()} | {
        "manifest.json", "lock",
    }  # fmt: skip


def test_two_changes_at_a_time_are_refused(store: Store) -> None:
    with store.changing():
        result = add(store, "first.jsonl", HELLO)

    assert result.exit_code == 1
    assert result.stderr.startswith("StoreBusy: Another command is changing")


def test_a_damaged_source_is_named(store: Store) -> None:
    add(store, "first.jsonl", HELLO)
    [source] = store.manifest().sources.values()
    path = store.folder / source.file
    path.write_bytes(path.read_bytes().replace(b"dinner", b"supper"))

    for command in ("check", "stats"):
        result = run(store, command)
        assert result.exit_code == 1
        assert "is not what was stored" in result.stderr
    assert run(store, "remove", "first.jsonl").exit_code == 0
    assert add(store, "first.jsonl", HELLO).exit_code == 0
    assert len(store.rows()) == 1


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 1}', '{"format": 9}', '{"format": 1, '
                                     '"sources": {"a": {"b": 1}}, "trusted": {}}'])  # fmt: skip
def test_a_manifest_that_is_none_is_refused(store: Store, content: str) -> None:
    store.folder.mkdir()
    (store.folder / "manifest.json").write_text(content)

    result = run(store, "stats")
    assert result.exit_code == 1
    assert result.stderr.startswith("StoreDamaged:")


def test_a_source_is_removed(store: Store) -> None:
    add(store, "first.jsonl", HELLO)
    add(store, "second.jsonl", SALE)

    assert run(store, "remove", "first.jsonl").exit_code == 0
    assert [row.id for row in store.rows()] == ["2"]
    assert b"dinner" not in b"".join(path.read_bytes() for path in store.folder.iterdir())
    result = run(store, "remove", "first.jsonl")
    assert result.exit_code == 2
    assert "There are: second.jsonl" in result.stderr


def test_check_names_what_deserves_a_look(store: Store) -> None:
    notice = "Your card ending 4411 was charged at Corner Bakery on Monday morning. Not you? Call."
    add(store, "first.jsonl", HELLO, {"id": "3", "text": notice, "lang": "en", "label": "scam"},
        {"id": "4", "text": notice + "!", "lang": "en", "label": "transactional"},
        {"id": "5", "text": "Vinn pengar idag", "lang": "sv", "label": "scam"},
        {"id": "6", "text": "Olen tulossa kotiin", "lang": "fi", "label": "personal"},
        {"id": "7", "text": "Great offer: two for one at our shop", "lang": "en", "label": "scam"},
        {"id": "8", "text": "Great offer: two for one at our shop!", "lang": "en",
         "label": "promotional"})  # fmt: skip
    said = Entry("r1", "review", "2026-03-01T12:00:00Z", "ann", label="scam", of="first.jsonl:99")
    store.say([said])
    result = run(store, "check", "--json")

    assert result.exit_code == SOME_LINES_UNUSABLE
    assert [(found["kind"], found["ids"]) for found in json.loads(result.stdout)] == [
        ("conflict", ["first.jsonl:3", "first.jsonl:4"]),
        ("class", ["first.jsonl:7", "first.jsonl:8"]),
        ("absent", []),
        ("absent", []),
        ("review", ["r1"]),
    ]
    told = run(store, "check").stdout
    assert "1 unwanted messages in sv, and no innocent one" in told
    assert "1 innocent messages in fi, and no unwanted one" in told


def test_check_finds_labels_that_a_model_disagrees_with(store: Store) -> None:
    rows = [{"text": f"See you at the {place} at {hour}", "lang": "en", "label": "personal"}
            for place in ("park", "beach", "station", "office") for hour in "abcdefgh"]  # fmt: skip
    rows += [{"text": f"Win a free {prize} today, claim {letter}", "lang": "en", "label": "scam"}
             for prize in ("phone", "cruise", "car", "watch") for letter in "abcdefgh"]  # fmt: skip
    rows[3]["label"] = "scam"
    add(store, "first.jsonl", *[row | {"id": str(at)} for at, row in enumerate(rows)])
    result = run(store, "check", "--suspicious", "--json")

    suspicious = [found for found in json.loads(result.stdout) if found["kind"] == "suspicious"]
    conflicts = [found for found in json.loads(result.stdout) if found["kind"] == "conflict"]
    named = [id_ for found in suspicious + conflicts for id_ in found["ids"]]
    assert "first.jsonl:3" in named


def test_a_sound_store_has_no_findings(store: Store) -> None:
    add(store, "first.jsonl", HELLO, SALE)

    result = run(store, "check")
    assert (result.exit_code, result.stdout) == (0, "2 messages looked at, 0 findings.\n")


def test_stats_count(store: Store) -> None:
    add(store, "first.jsonl", HELLO, SALE)
    counted = json.loads(run(store, "stats", "--json").stdout)

    assert (counted["messages"], counted["groups"]) == (2, 2)
    assert counted["cells"][0] == {
        "source": "first.jsonl", "language": "en", "label": "personal", "count": 1,
        "length_median": 31, "length_max": 31,
    }  # fmt: skip
    [addition] = counted["sources"]["first.jsonl"]["additions"]
    assert (addition["file"], addition["rows"]) == ("first.jsonl", 2)
    assert "2 messages in 2 groups" in run(store, "stats").stdout


def test_an_empty_store_is_told(store: Store) -> None:
    assert run(store, "stats").exit_code == 0
    assert run(store, "check").exit_code == 0
