"""The path that judging takes is not only the fastest one: it says what was fitted."""

from __future__ import annotations

from ml.corpus.expand import Shares, expand
from ml.evaluation.speed import SAME, fitted, measure, table
from ml.places import RELEASED


def test_every_way_is_measured_and_ours_gives_the_same() -> None:
    models = fitted(RELEASED)
    messages = expand(1, Shares(from_pattern=1), only=("sw",))[:20]
    ways = measure([one.text for one in messages], [one.label for one in messages], models)

    ours = [way for way in ways if "numpy" in way.name or "scipy" in way.name]
    assert [way.difference is None for way in ours] == [True, False, False]
    assert all(way.difference <= SAME for way in ours if way.difference is not None)
    assert all(way.alone_milliseconds > 0 and way.batched_milliseconds > 0 for way in ways)
    assert table(ways).row_count == len(ways)
