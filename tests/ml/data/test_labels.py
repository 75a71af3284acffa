"""What people say becomes labels; nobody's flood of it moves the model."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.data.labels import (
    Caps,
    Entry,
    EntryMalformed,
    decisions,
    parse_entry,
    standing,
    weigh_reports,
)

REPORT = {
    "id": "r1", "kind": "report", "time": "2026-03-01T12:00:00Z", "by": "p1", "business": "b1",
    "text": "Buy now", "label": "promotional", "language": "en",
}  # fmt: skip
WITHDRAWAL = {
    "id": "w1", "kind": "withdrawal", "time": "2026-03-02T12:00:00Z", "by": "ann", "of": "r1",
}  # fmt: skip


def report(at: int, by: int, business: int = 0, label: str = "promotional") -> Entry:
    return Entry(f"r{at}", "report", "2026-03-01T12:00:00Z", f"p{by}", f"b{business}",
                 f"text {at}", label, "en")  # fmt: skip


def test_entries_are_read_as_they_are_written() -> None:
    for data in (REPORT, WITHDRAWAL):
        assert parse_entry(data).as_data() == data


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": ""}, "no id"), ({"by": ""}, "no by"), ({"kind": ""}, "no kind"),
        ({"kind": "rumour"}, "unknown kind 'rumour'"), ({"time": "yesterday"}, "no time with"),
        ({"time": "2026-03-01T12:00:00"}, "no time with a zone"), ({"phone": "1"}, "unknown field"),
        ({"label": "bad"}, "unknown label 'bad'"), ({"label": "personal"}, "a report does not say"),
        ({"text": " "}, "no text"), ({"text": 7}, "text is no string"), ({"business": ""}, "no b"),
        ({"text": "x" * 20_000}, "text is longer than 16,384"), ({"id": "i" * 201}, "id is longer"),
        ({"text": "\ud800"}, "half a character in text"), ({"language": "?"}, "unknown language"),
        ({"kind": "appeal"}, "an appeal does not say promotional"),
        ({"kind": "withdrawal"}, "a withdrawal names an entry"),
    ],
)  # fmt: skip
def test_what_is_no_entry_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(EntryMalformed, match=said):
        parse_entry(REPORT | change)


def test_a_list_is_no_entry() -> None:
    with pytest.raises(EntryMalformed):
        parse_entry([REPORT])


def test_what_is_withdrawn_was_never_said() -> None:
    said, withdrawal = parse_entry(REPORT), parse_entry(WITHDRAWAL)

    assert standing([said, replace(said, id="r2")]) == [said, replace(said, id="r2")]
    assert standing([said, replace(said, id="r2"), withdrawal]) == [replace(said, id="r2")]
    assert standing([withdrawal, said]) == []
    assert standing([said, replace(said, text="other")]) == [said]  # the first of an id counts


def review(id_: str, by: str, label: str, day: int) -> Entry:
    return Entry(id_, "review", f"2026-03-{day:02}T12:00:00+00:00", by, text="x", label=label)


def test_a_reviewers_later_word_counts_and_contradictions_do_not() -> None:
    first, later = review("1", "ann", "scam", 1), review("2", "ann", "personal", 2)
    other = review("3", "bob", "transactional", 3)
    contrary = review("4", "eve", "promotional", 4)
    same = dict.fromkeys("1234", "message")

    assert decisions([later, first], same) == {"message": later}
    assert decisions([first, later, other], same) == {"message": other}
    assert decisions([later, contrary], same) == {}


def weights(reports: list[Entry], cluster_of: dict[str, object] | None = None) -> dict[Any, float]:
    own: dict[str, object] = {entry.id: entry.id for entry in reports}
    weighed = weigh_reports(reports, cluster_of or own, others=1_000)
    return {cluster: each.weight for cluster, each in weighed.items()}


def test_one_person_alone_moves_nothing() -> None:
    assert weights([report(at, by=1) for at in range(1_000)]) == {}


def test_people_who_agree_are_heard() -> None:
    reports = [report(at, by=at, business=at) for at in range(50)]
    together: dict[str, object] = {entry.id: "cluster" for entry in reports}

    assert weights(reports[:2], together) == {"cluster": pytest.approx(0.1)}
    assert weights(reports, together) == {"cluster": pytest.approx(1 - 1 / 50)}


def test_people_who_report_everything_are_hardly_heard() -> None:
    """Three of them agree on every message of three hundred businesses."""
    reports = [
        replace(report(at, by=by, business=at), id=f"{at} {by}")
        for at in range(300)
        for by in range(3)
    ]
    cluster_of: dict[str, object] = {entry.id: entry.text for entry in reports}

    assert weights(reports, cluster_of) == {}
    assert len(weights(reports[:30], cluster_of)) == 10


def test_the_label_is_what_most_say() -> None:
    reports = [report(0, 0), report(1, 1, label="scam"), report(2, 2, label="scam")]
    together: dict[str, object] = {entry.id: "cluster" for entry in reports}

    assert weigh_reports(reports, together, 1_000)["cluster"].label == "scam"
    assert weigh_reports(reports[:2], together, 1_000)["cluster"].label == "other_spam"


def test_nobody_can_flood_one_business() -> None:
    """A thousand people report a thousand different messages of it."""
    reports = [report(at, by=by) for at in range(100) for by in range(40)]
    cluster_of: dict[str, object] = {}
    reports = [replace(entry, id=f"{entry.id} {entry.by}") for entry in reports]
    cluster_of = {entry.id: entry.text for entry in reports}

    assert sum(weights(reports, cluster_of).values()) == pytest.approx(Caps().weight_by_business)


def test_all_reports_together_stay_a_small_part() -> None:
    reports = [
        replace(report(at, by=by, business=at), id=f"{at} {by}")
        for at in range(8_000)
        for by in range(3 * at, 3 * at + 3)
    ]
    cluster_of: dict[str, object] = {entry.id: entry.text for entry in reports}

    assert sum(weights(reports, cluster_of).values()) == pytest.approx(50)  # of 1,000 others
    weighed = weigh_reports(reports, cluster_of, others=4_000)
    assert sum(each.weight for each in weighed.values()) == pytest.approx(200)


said_reports = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 30), st.integers(0, 4)), max_size=80
).map(
    lambda said: [
        (replace(report(at, by, business), id=str(number)), cluster)
        for number, (by, cluster, business) in enumerate(said)
        for at in [cluster]
    ]
)


@settings(deadline=None)
@given(said_reports, said_reports)
def test_caps_hold_whatever_is_said(
    others: list[tuple[Entry, int]], flood: list[tuple[Entry, int]]
) -> None:
    """By one person, however much they say: at most twenty voices; by business a twentieth."""
    flood = [(replace(entry, id=f"f{entry.id}", by="flooder"), cluster) for entry, cluster in flood]
    caps = Caps()
    both = others + flood
    before = weigh_reports([e for e, _ in others], {e.id: c for e, c in others}, 1_000)
    after = weigh_reports([e for e, _ in both], {e.id: c for e, c in both}, 1_000)

    moved = sum(each.weight for each in after.values()) - sum(e.weight for e in before.values())
    assert abs(moved) <= caps.clusters_by_reporter
    assert all(0 < each.weight < 1 for each in after.values())
    businesses = {entry.business for entry, _ in both}
    assert sum(e.weight for e in after.values()) <= caps.weight_by_business * len(businesses) + 1e-9
    reporters = defaultdict(set)
    for entry, cluster in both:
        reporters[cluster].add(entry.by)
    assert all(len(reporters[cluster]) > 1 for cluster in after if isinstance(cluster, int))
