"""The rules of the road, for every history that hypothesis can think of."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from services.messaging.domain import (
    ACK_GRACE,
    ENTRY_POINT_ANSWERED_WITHIN,
    WINDOW,
    Change,
    Disposition,
    Message,
    MessageKey,
    Price,
    Receipt,
    State,
    Window,
    advance,
    body_digest,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EXPIRE_TIME = NOW + timedelta(hours=1)
GIVEN_UP = EXPIRE_TIME + ACK_GRACE
DEVICES = [UUID(int=number) for number in range(1, 5)]

# What decides about the money; a message comes to exactly one of them.
DECIDED = {State.DELIVERED, State.REFUSED, State.EXPIRED}


def message(copies: int = 1) -> Message:
    return Message(
        key=MessageKey(uuid4(), uuid4(), uuid4()),
        body_sha256=bytes(32),
        contact_id="c_",
        kind=1,
        category=1,
        state=State.ACCEPTED,
        copies_left=copies,
        price=Price("USD", 1),
        accept_time=NOW,
        update_time=NOW,
        expire_time=EXPIRE_TIME,
    )


dispositions = st.sampled_from([Disposition.DELIVERED, Disposition.REFUSED])
steps = st.lists(
    st.tuples(
        st.lists(dispositions, max_size=2),
        st.lists(st.sampled_from(DEVICES), max_size=2),
        st.integers(0, 1200),
    ),
    max_size=8,
)


@given(copies=st.integers(1, 4), steps=steps)
def test_every_history_ends_in_one_decision_and_never_goes_back(
    copies: int,
    steps: list[tuple[list[Disposition], list[UUID], int]],
) -> None:
    now, state, changes = NOW, message(copies), list[Change]()
    delivered = False
    waiting = list(DEVICES[:copies])
    for outcomes, readers, seconds in steps:
        now += timedelta(seconds=seconds)
        taken = [waiting.pop() for _ in range(min(len(outcomes), len(waiting)))]
        receipts = [Receipt(*pair) for pair in zip(taken, outcomes, strict=False)]
        state, came_to = advance(state, receipts, readers, now)
        changes += came_to
        if now < GIVEN_UP and not changes_before(changes, came_to):
            delivered |= bool(readers) or any(
                receipt.disposition is Disposition.DELIVERED for receipt in receipts
            )
    # The rest is never fetched.
    state, came_to = advance(
        state,
        [Receipt(device_id, Disposition.NONE) for device_id in waiting],
        [],
        max(now, GIVEN_UP),
    )
    changes += came_to
    came_to_states = [change.message.state for change in changes]
    assert len(DECIDED & set(came_to_states)) == 1
    assert len(came_to_states) == len(set(came_to_states))
    assert came_to_states in (
        [State.DELIVERED],
        [State.DELIVERED, State.READ],
        [State.REFUSED],
        [State.EXPIRED],
    )
    assert state.state is came_to_states[-1]
    assert state.copies_left == 0
    assert delivered == (State.DELIVERED in came_to_states)


def changes_before(changes: list[Change], came_to: list[Change]) -> bool:
    """Whether the message had been decided about before the last step."""
    return len(changes) > len(came_to)


@given(st.permutations([0, 1, 2]), st.lists(dispositions, min_size=3, max_size=3))
def test_the_order_of_acks_decides_nothing_but_who_is_named(
    order: list[int], outcomes: list[Disposition]
) -> None:
    receipts = [
        Receipt(device_id, outcome) for device_id, outcome in zip(DEVICES, outcomes, strict=False)
    ]
    together, _ = advance(message(3), receipts, [], NOW)
    one_by_one = message(3)
    for index in order:
        one_by_one, _ = advance(one_by_one, [receipts[index]], [], NOW)
    assert one_by_one.state is together.state
    wanted = State.DELIVERED if Disposition.DELIVERED in outcomes else State.REFUSED
    assert together.state is wanted


def test_nothing_happens_where_nothing_was_said() -> None:
    before = message(2)
    assert advance(before, [], [], GIVEN_UP - timedelta(seconds=1)) == (before, [])


def test_a_window_is_open_from_its_message_until_24_hours_later() -> None:
    window = Window(NOW)
    assert window.is_open(NOW)
    assert window.is_open(NOW + WINDOW - timedelta(microseconds=1))
    assert not window.is_open(NOW + WINDOW)


def test_who_came_by_a_link_awaits_an_answer_for_a_day() -> None:
    assert not Window(NOW).awaits_answer(NOW)
    came = Window(NOW, entry_point_time=NOW)
    assert came.awaits_answer(NOW + ENTRY_POINT_ANSWERED_WITHIN)
    assert not came.awaits_answer(NOW + ENTRY_POINT_ANSWERED_WITHIN + timedelta(microseconds=1))
    answered = came._replace(entry_point_answer_time=NOW + timedelta(minutes=1))
    assert not answered.awaits_answer(NOW + timedelta(hours=1))
    # Who comes once more is answered once more.
    again = answered._replace(entry_point_time=NOW + timedelta(hours=1))
    assert again.awaits_answer(NOW + timedelta(hours=1))


said = st.tuples(
    st.text(max_size=5),
    st.integers(0, 3),
    st.integers(0, 4),
    st.text(max_size=5),
    st.binary(max_size=5),
)


@given(said, said)
def test_digests_are_the_same_for_the_same_body_only(
    one: tuple[str, int, int, str, bytes], other: tuple[str, int, int, str, bytes]
) -> None:
    if "\0" in one[0] + one[3] + other[0] + other[3]:
        return  # The rules of the contract keep this character out of texts.
    assert (body_digest(*one) == body_digest(*other)) == (one == other)
