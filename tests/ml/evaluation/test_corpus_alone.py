"""What is kept of a comparison tells of a model from the corpus alone, and names no message."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from ml.evaluation import corpus_alone


def test_of_a_comparison_the_shares_of_all_messages_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept.json"
    monkeypatch.setattr(corpus_alone, "FILE", kept)
    shares = {"label": "scam", "count": 100, "stopped_by_a": 0.2, "stopped_by_b": 0.6,
              "changed": 40, "difference": 0.4, "low": 0.3, "high": 0.5,
              "worse": False}  # fmt: skip
    told = {"a": "alone", "b": "released", "worse": False, "changed": [{"id": "of a message"}],
            "differences": [shares | {"group": "en"}, shares | {"group": "all"}]}  # fmt: skip
    corpus_alone.keep(io.StringIO(json.dumps(told)))

    assert "of a message" not in kept.read_text()
    shown = Console(file=io.StringIO(), width=100, record=True)
    shown.print(corpus_alone.beside_the_released())
    text = " ".join(shown.export_text().split())
    assert all(said in text for said in ("(A, alone)", "scam", "20.0%", "60.0%", "+40.0%"))
    assert text.count("scam") == 1


def test_what_is_in_the_repository_is_of_real_messages() -> None:
    kept = json.loads(corpus_alone.FILE.read_text())

    assert {one["label"] for one in kept["differences"]} >= {"promotional", "scam", "transactional"}
    assert all(one["count"] > 100 for one in kept["differences"])
