"""A training that was cut short goes on where it stopped, and ends as if it had not been."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml import train as training
from ml.checkpoints import Checkpoints
from ml.fitting import fit_linear
from ml.train import Training, train
from tests.ml.conftest import TINY, in_silence


class PowerCut(Exception):
    """Somebody pulls the plug."""


def test_a_training_goes_on_where_it_stopped(
    tiny_training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pull_the_plug(what: str, done: int, steps: int) -> None:
        if what.startswith("n-grams of everything"):
            raise PowerCut

    with pytest.raises(PowerCut):
        train(TINY, [], {}, pull_the_plug, Checkpoints(tmp_path))
    finished = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    fitted: list[int] = []

    def counted(*given: Any) -> Any:
        fitted.append(1)
        return fit_linear(*given)

    monkeypatch.setattr(training, "fit_linear", counted)
    again = train(TINY, [], {}, in_silence, Checkpoints(tmp_path))

    assert len(finished) == 5, "one for each part"
    assert len(fitted) == 2, "the labels and the languages of everything"
    assert again.unseen == tiny_training.unseen
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == finished


def test_steps_of_another_training_are_not_taken_for_ours(tmp_path: Path) -> None:
    one = Checkpoints(tmp_path)
    assert one.array("step", "seed 1", lambda: np.zeros(3)).sum() == 0

    other = Checkpoints(tmp_path)
    assert other.array("step", "seed 2", lambda: np.ones(3)).sum() == 3
    assert other.array("step", "seed 1", lambda: np.ones(3)).sum() == 0


def test_what_was_not_used_is_forgotten(tmp_path: Path) -> None:
    Checkpoints(tmp_path).array("step", "old", lambda: np.zeros(3))
    now = Checkpoints(tmp_path)
    now.array("step", "new", lambda: np.zeros(3))
    now.forget_others()

    assert len(list(tmp_path.iterdir())) == 1


def test_a_step_half_written_is_made_again(tmp_path: Path) -> None:
    def fails() -> np.ndarray:
        raise PowerCut

    with pytest.raises(PowerCut):
        Checkpoints(tmp_path).array("step", "x", fails)
    assert Checkpoints(tmp_path).array("step", "x", lambda: np.ones(2)).sum() == 2


def test_a_step_that_cannot_be_read_is_made_again(tmp_path: Path) -> None:
    """As after a power cut: the name was on the disk, and the content was not."""
    Checkpoints(tmp_path).array("step", "x", lambda: np.zeros(2))
    [kept] = tmp_path.iterdir()
    for damaged in (b"", kept.read_bytes()[:-3], b"something else"):
        kept.write_bytes(damaged)
        assert Checkpoints(tmp_path).array("step", "x", lambda: np.ones(2)).sum() == 2


def test_another_seed_trains_another_model(tiny_training: Training) -> None:
    other = train(replace(TINY, seed=2), [], {}, in_silence)

    assert other.described["digest"] != tiny_training.described["digest"]
    assert other.unseen != tiny_training.unseen
