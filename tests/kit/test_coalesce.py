"""Everybody gets their own outcome, exactly once, and nobody waits without need."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kit.coalesce import Coalescer, Overloaded


class Gate:
    """A handler that holds each batch until it is let through."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self._open = asyncio.Event()

    async def __call__(self, items: list[int]) -> list[int | Exception]:
        self.batches.append(items)
        await self._open.wait()
        return [ValueError(str(item)) if item < 0 else item * 10 for item in items]

    def open(self) -> None:
        self._open.set()


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_idle_an_item_leaves_in_the_next_turn_of_the_loop() -> None:
    gate = Gate()
    coalescer = Coalescer(gate)
    task = asyncio.ensure_future(coalescer.submit(1))
    await turns(2)  # One starts the task above, one the batch.
    assert gate.batches == [[1]]
    gate.open()
    assert await task == 10


async def test_what_arrives_in_the_same_turn_travels_together() -> None:
    gate = Gate()
    coalescer = Coalescer(gate, in_flight_max=4)
    tasks = [asyncio.ensure_future(coalescer.submit(item)) for item in range(5)]
    await turns()
    assert gate.batches == [[0, 1, 2, 3, 4]]
    gate.open()
    assert await asyncio.gather(*tasks) == [0, 10, 20, 30, 40]


async def test_busy_what_arrives_meanwhile_forms_the_next_batch() -> None:
    gate = Gate()
    coalescer = Coalescer(gate)
    first = asyncio.ensure_future(coalescer.submit(1))
    await turns()
    others = [asyncio.ensure_future(coalescer.submit(item)) for item in (2, 3)]
    await turns()
    assert gate.batches == [[1]]
    assert coalescer.waiting == 2
    gate.open()
    assert await asyncio.gather(first, *others) == [10, 20, 30]
    assert gate.batches == [[1], [2, 3]]


async def test_a_bad_item_fails_alone() -> None:
    gate = Gate()
    gate.open()
    coalescer = Coalescer(gate)
    good, bad = await asyncio.gather(
        coalescer.submit(1), coalescer.submit(-1), return_exceptions=True
    )
    assert good == 10
    assert isinstance(bad, ValueError)
    assert len(gate.batches) == 1


async def test_a_handler_that_fails_fails_its_whole_batch_and_no_other() -> None:
    failing = True

    async def handler(items: list[int]) -> list[int]:
        if failing:
            raise RuntimeError("no database")
        return items

    coalescer = Coalescer(handler)
    outcomes = await asyncio.gather(*map(coalescer.submit, range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [RuntimeError] * 3
    failing = False
    assert await coalescer.submit(7) == 7


async def test_a_handler_that_miscounts_is_told_so() -> None:
    async def handler(items: list[int]) -> list[int]:
        return items[1:]

    with pytest.raises(RuntimeError, match="1 outcomes for a batch of 2"):
        await asyncio.gather(*map(Coalescer(handler).submit, range(2)))


async def test_who_stops_waiting_harms_nobody() -> None:
    gate = Gate()
    coalescer = Coalescer(gate)
    in_flight = [asyncio.ensure_future(coalescer.submit(item)) for item in (1, 2)]
    await turns()
    waiting = [asyncio.ensure_future(coalescer.submit(item)) for item in (3, 4)]
    await turns()
    in_flight[0].cancel()
    waiting[0].cancel()
    gate.open()
    assert await in_flight[1] == 20
    assert await waiting[1] == 40
    assert gate.batches == [[1, 2], [4]], "what was cancelled before it left, stays"


async def test_full_means_overloaded_and_room_means_welcome() -> None:
    gate = Gate()
    coalescer = Coalescer(gate, waiting_max=2)
    first = asyncio.ensure_future(coalescer.submit(1))
    await turns()
    waiting = [asyncio.ensure_future(coalescer.submit(item)) for item in (2, 3)]
    await turns()
    with pytest.raises(Overloaded):
        await coalescer.submit(4)
    with pytest.raises(Overloaded):
        await coalescer.submit_many([4, 5])
    gate.open()
    assert await asyncio.gather(first, *waiting) == [10, 20, 30]
    assert await coalescer.submit_many([4, 5]) == [40, 50]


async def test_many_at_once_get_outcomes_in_order_with_exceptions_among_them() -> None:
    gate = Gate()
    gate.open()
    good, bad, other = await Coalescer(gate).submit_many([1, -2, 3])
    assert (good, other) == (10, 30)
    assert isinstance(bad, ValueError)


async def test_closing_waits_for_what_was_accepted() -> None:
    gate = Gate()
    coalescer = Coalescer(gate)
    tasks = [asyncio.ensure_future(coalescer.submit(1))]
    await turns()
    tasks.append(asyncio.ensure_future(coalescer.submit(2)))
    await turns()
    closing = asyncio.ensure_future(coalescer.close())
    await turns()
    with pytest.raises(Overloaded):
        await coalescer.submit(3)
    assert not closing.done()
    gate.open()
    await closing
    assert await asyncio.gather(*tasks) == [10, 20]


@settings(deadline=None, max_examples=150)
@given(
    arrivals=st.lists(st.lists(st.integers(0, 40), max_size=12), max_size=12),
    items_max=st.integers(1, 7),
    in_flight_max=st.integers(1, 3),
    weight_max=st.sampled_from([0, 10, 50]),
    handler_turns=st.integers(0, 5),
    cancelled=st.sets(st.integers(0, 60)),
)
def test_each_item_gets_its_own_outcome_once_and_no_batch_is_too_big(
    arrivals: list[list[int]],
    items_max: int,
    in_flight_max: int,
    weight_max: int,
    handler_turns: int,
    cancelled: set[int],
) -> None:
    """Items come in bursts of one turn each; some of their submitters give up."""
    in_flight = 0
    seen: list[tuple[int, int]] = []

    async def handler(items: list[tuple[int, int]]) -> list[str | Exception]:
        nonlocal in_flight
        in_flight += 1
        assert in_flight <= in_flight_max
        assert 0 < len(items) <= items_max
        if weight_max and len(items) > 1:
            assert sum(weight for _, weight in items) <= weight_max
        seen.extend(items)
        await turns(handler_turns)
        in_flight -= 1
        return [KeyError(str(item)) if item[1] % 7 == 0 else f"for {item}" for item in items]

    async def run() -> None:
        weigh: Callable[[tuple[int, int]], int] | None = (
            (lambda item: item[1]) if weight_max else None
        )
        coalescer = Coalescer(
            handler,
            items_max=items_max,
            in_flight_max=in_flight_max,
            weight=weigh,
            weight_max=weight_max,
        )
        items: list[tuple[int, int]] = []
        tasks: list[asyncio.Future[str]] = []
        for burst in arrivals:
            for weight in burst:
                items.append((len(items), weight))
                tasks.append(asyncio.ensure_future(coalescer.submit(items[-1])))
            await turns(1)
            for index in cancelled:
                if index < len(tasks):
                    tasks[index].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, asyncio.CancelledError):
                assert item[0] in cancelled
            elif item[1] % 7 == 0:
                assert isinstance(outcome, KeyError)
                assert str(item) in str(outcome)
            else:
                assert outcome == f"for {item}"
        await coalescer.close()
        assert len(seen) == len(set(seen)), "handled twice"
        assert seen == sorted(seen), "first come, first served"
        assert {index for index, _ in seen} >= set(range(len(items))) - cancelled
        assert coalescer.waiting == 0

    asyncio.run(run())
