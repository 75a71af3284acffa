"""What the edge says of a configuration that it cannot run with."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.ends.edge.config import EdgeSettings
from services.kit.config import load


def test_a_secret_that_is_too_short_is_named_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    storage, franking = tmp_path / "storage", tmp_path / "franking"
    storage.write_bytes(bytes(range(32)))
    franking.write_bytes(bytes(range(1, 32)))
    monkeypatch.setenv("HUDHUD_EDGE_STORAGE_KEY_FILE", str(storage))
    monkeypatch.setenv("HUDHUD_EDGE_FRANKING_SECRET_FILE", str(franking))
    with pytest.raises(SystemExit):
        load(EdgeSettings)
    said = capsys.readouterr().err
    assert f"HUDHUD_EDGE_FRANKING_SECRET_FILE: {franking} has less than 32 bytes" in said
    assert "HUDHUD_EDGE_STORAGE_KEY_FILE" not in said
