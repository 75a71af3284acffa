"""A report counts what it should, and comes back from JSON as it was."""

from __future__ import annotations

import json

import pytest

from ml.evaluate import Judged
from ml.judgement import Abstention, Judgement
from ml.report import ALL, Report, lost_to, mistakes, report
from ml.thresholds import Thresholds

THRESHOLDS = Thresholds(0.8, 0.95, 0.9, 0.9, 0.97, 0.8, 0.5)


def judged(label: str, unwanted: float, language: str = "en", source: str = "ours") -> Judged:
    return Judged(language, label, source, Judgement(unwanted, 0.0, 1 - unwanted, 0.0, language))


@pytest.fixture(scope="module")
def measured() -> Report:
    """A hundred advertisements from .5 up, and two hundred notices, one of which looks like one."""
    items = [judged("promotional", 0.5 + at / 200) for at in range(100)]
    items += [judged("transactional", 0.1) for _ in range(199)] + [judged("transactional", 0.99)]
    items.append(Judged("th", "personal", "other",
                        Judgement(0, 0, 0, 0, "und", Abstention.UNKNOWN_SCRIPT)))  # fmt: skip
    return report(items, THRESHOLDS, "abc")


def test_it_comes_back_from_json(measured: Report) -> None:
    assert Report.from_data(json.loads(json.dumps(measured.as_data()))) == measured


def test_shares_are_of_what_is_stopped_at_the_threshold(measured: Report) -> None:
    shares = {(share.group, share.label): share for share in measured.by_language}

    assert shares["en", "promotional"].stopped == 40
    assert shares["en", "transactional"].stopped == 1
    assert shares["th", "personal"].abstained == 1
    assert measured.measured_on == {"ours": 300, "other": 1}


def test_the_curve_is_of_every_threshold(measured: Report) -> None:
    whole, english = measured.curves

    assert (whole.group, english.group) == (ALL, "en")
    # One notice of two hundred is 0.5%: all advertisements can be had for it.
    assert english.recall_at_rate == 1
    assert 0.9 < english.average_precision < 1
    recalls = [point.recall for point in english.points]
    assert recalls == sorted(recalls)
    assert english.points[-1].recall == 1
    first = english.points[0]
    assert (first.recall, first.precision, first.innocent_stopped) == (0.01, 1.0, 0.0)


def test_a_probability_that_keeps_its_word_has_no_error() -> None:
    honest = [judged("promotional" if at < 70 else "transactional", 0.7) for at in range(100)]
    found = {(one.group, one.label): one for one in report(honest, THRESHOLDS).reliability}

    assert found[ALL, "unwanted"].error == pytest.approx(0, abs=1e-4)
    [one] = found["en", "promotional"].bins
    assert (one.low, one.count, one.share) == (0.7, 100, 0.7)


def test_confusion_counts_every_message_once(measured: Report) -> None:
    rows = [row for row in measured.confusion if row.group == ALL]

    assert sum(sum(row.taken_for.values()) for row in rows) == 301
    notices = next(row for row in rows if row.label == "transactional")
    assert notices.taken_for["promotional"] == 1


def test_what_an_attack_lets_through_has_an_interval() -> None:
    lost = lost_to("leet", "en", [True] * 90 + [False] * 10, [True] * 80 + [False] * 20)

    assert lost.lost == pytest.approx(0.1)
    assert lost.low < 0.1 < lost.high
    assert lost_to("leet", "en", [], []).count == 0


def test_mistakes_are_the_surest_first_and_without_text_unless_asked() -> None:
    items = [judged("transactional", 0.7), judged("promotional", 0.05), judged("promotional", 0.9)]
    found = mistakes(items, ["a", "b", "c"])

    assert [(one.id, one.text) for one in found] == [("b", ""), ("a", "")]
    assert mistakes(items, ["a", "b", "c"], ["x", "y", "z"])[0].text == "y"


def test_another_format_is_refused(measured: Report) -> None:
    with pytest.raises(ValueError, match="format 99"):
        Report.from_data(measured.as_data() | {"format": 99})
