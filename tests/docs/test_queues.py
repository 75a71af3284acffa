"""The simulation's own laws: time, rooms, batches, and what theory says of simple queues."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.scale.queues import Batches, Machine, Occasion, Process, Room, Simulation, quantile


def test_time_goes_forward_and_ties_keep_their_order() -> None:
    simulation = Simulation()
    seen: list[tuple[float, str]] = []

    def process(name: str, pause: float) -> Process:
        yield pause
        seen.append((simulation.now, name))
        yield pause
        seen.append((simulation.now, name))

    simulation.start(process("a", 1.0))
    simulation.start(process("b", 2.0))
    simulation.start(process("c", 1.0))
    simulation.run()
    assert seen == [(1.0, "a"), (1.0, "c"), (2.0, "b"), (2.0, "a"), (2.0, "c"), (4.0, "b")]


def test_who_comes_late_to_an_occasion_does_not_wait() -> None:
    simulation = Simulation()
    occasion = Occasion(simulation)
    occasion.happen("early")
    heard: list[str] = []
    occasion.then(heard.append)
    simulation.run()
    assert heard == ["early"]


def test_a_room_holds_so_many_and_lets_them_in_by_their_order() -> None:
    simulation = Simulation()
    room = Room(simulation, 2)
    inside = most = 0
    order: list[int] = []

    def visitor(number: int) -> Process:
        nonlocal inside, most
        yield room.take()
        order.append(number)
        inside += 1
        most = max(most, inside)
        yield 1.0
        inside -= 1
        room.leave()

    for number in range(5):
        simulation.start(visitor(number))
    simulation.run()
    assert (most, order, simulation.now) == (2, [0, 1, 2, 3, 4], 3.0)


def test_a_process_uses_one_core_and_a_machine_no_more_than_it_has() -> None:
    for names, cores, seconds in ((["a", "a"], 2, 2.0), (["a", "b"], 2, 1.0), (["a", "b"], 1, 2.0)):
        simulation = Simulation()
        machine = Machine(simulation, cores)
        for name in names:
            simulation.start(machine.use(name, 1.0))
        simulation.run()
        assert simulation.now == pytest.approx(seconds)


@given(st.lists(st.floats(0, 0.1), min_size=1, max_size=40), st.integers(1, 8), st.integers(1, 3))
def test_batches_keep_their_bounds_and_lose_nobody(
    pauses: list[float], items_max: int, in_flight_max: int
) -> None:
    simulation = Simulation()
    running = most = answered = 0

    def handle(_: int) -> Process:
        nonlocal running, most
        running += 1
        most = max(most, running)
        yield 0.05
        running -= 1

    batches = Batches(simulation, handle, items_max=items_max, in_flight_max=in_flight_max)

    def caller(pause: float) -> Process:
        nonlocal answered
        yield pause
        yield batches.submit()
        answered += 1

    for pause in pauses:
        simulation.start(caller(pause))
    simulation.run()
    assert answered == sum(batches.sizes) == len(pauses)
    assert max(batches.sizes) <= items_max
    assert most <= in_flight_max


def test_an_idle_batch_leaves_at_once_and_a_busy_one_is_shared() -> None:
    simulation = Simulation()

    def handle(_: int) -> Process:
        yield 1.0

    batches = Batches(simulation, handle, items_max=100, in_flight_max=1)

    def caller(pause: float) -> Process:
        yield pause
        yield batches.submit()

    for pause in (0.0, 0.2, 0.4, 0.6):
        simulation.start(caller(pause))
    simulation.run()
    assert batches.sizes == [1, 3]
    assert simulation.now == 2.0


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_a_queue_with_one_server_waits_as_long_as_theory_says(load: float) -> None:
    """M/D/1: the mean wait is load / (2 (1 - load)) of a service (Pollaczek and Khinchine)."""
    chance = random.Random(1)
    simulation = Simulation()
    room = Room(simulation, 1)
    waits: list[float] = []

    def customer() -> Process:
        start = simulation.now
        yield room.take()
        waits.append(simulation.now - start)
        yield 1.0
        room.leave()

    def arrivals() -> Process:
        for _ in range(4000):
            yield chance.expovariate(load)
            simulation.start(customer())

    simulation.start(arrivals())
    simulation.run()
    assert sum(waits) / len(waits) == pytest.approx(load / (2 * (1 - load)), rel=0.2)


def test_quantiles() -> None:
    assert quantile(range(100), 0.99) == 99
    assert quantile([5.0], 0.5) == 5.0
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)
