"""Cursors without gaps, and wordings with their parameters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.ends.edge.domain import NewEvent, Segment, Wording, place

BUSINESSES = ("a", "b", "c")
KEYS = st.sampled_from([f"key {number}" for number in range(6)])
EVENTS = st.lists(st.builds(NewEvent, st.sampled_from(BUSINESSES), KEYS, st.just(b"")))


@given(
    events=EVENTS,
    last_cursors=st.dictionaries(st.sampled_from(BUSINESSES), st.integers(0, 1000)),
    known=st.sets(st.tuples(st.sampled_from(BUSINESSES), KEYS)),
)
def test_cursors_go_on_without_gaps_and_each_event_has_one(
    events: list[NewEvent], last_cursors: dict[str, int], known: set[tuple[str, str]]
) -> None:
    placed = place(events, last_cursors, known)
    for business in BUSINESSES:
        cursors = [cursor for event, cursor in placed if event.business_id == business]
        first = last_cursors.get(business, 0) + 1
        assert cursors == list(range(first, first + len(cursors)))
    keys = [(event.business_id, event.event_key) for event, _ in placed]
    assert len(keys) == len(set(keys))
    assert set(keys) == {(event.business_id, event.event_key) for event in events} - known
    assert [event for event, _ in placed] == [
        event
        for position, event in enumerate(events)
        if (event.business_id, event.event_key) not in known and event not in events[:position]
    ]


def test_a_wording_is_its_literals_and_parameters_and_nothing_else() -> None:
    wording = Wording(
        "id",
        (Segment("Dear ", ""), Segment("", "name"), Segment(", {{name}}!", "")),
        frozenset({"name"}),
        (),
    )
    assert wording.render({"name": "{{order}}"}) == "Dear {{order}}, {{name}}!"
