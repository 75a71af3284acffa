"""A discrete-event simulation in small: a clock, waiting, things that few may hold, batches.

Its own and not SimPy's: these are a hundred lines that a reader of the claims can read too, the
batches are those of services/kit/coalesce.py in any case, and nothing has to be kept up to date. A
process is a generator: it yields seconds to wait, or an `Occasion` to wait for.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

Process = Generator["float | Occasion", Any, Any]

# A core is given to another process after so long, as a kernel does.
SLICE_SECONDS: Final = 0.001


class Occasion:
    """Something that happens once, and what comes of it."""

    __slots__ = ("_happened", "_outcome", "_simulation", "_waiting")

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._waiting: list[Callable[[Any], None]] = []
        self._happened = False
        self._outcome: Any = None

    def happen(self, outcome: Any = None) -> None:
        """Let everybody who waits go on, in the order in which they came."""
        self._happened = True
        self._outcome = outcome
        for go_on in self._waiting:
            self._simulation.at(0.0, go_on, outcome)
        self._waiting.clear()

    def then(self, go_on: Callable[[Any], None]) -> None:
        """Call this when it has happened."""
        if self._happened:
            self._simulation.at(0.0, go_on, self._outcome)
        else:
            self._waiting.append(go_on)


class Simulation:
    """The clock, in seconds, and what is still to come."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = 0
        self._coming: list[tuple[float, int, Callable[[Any], None], Any]] = []

    def at(self, delay_seconds: float, go_on: Callable[[Any], None], outcome: Any = None) -> None:
        """Call this after so long; what is due at one moment comes in the order of asking."""
        self._order += 1
        heapq.heappush(self._coming, (self.now + delay_seconds, self._order, go_on, outcome))

    def start(self, process: Process) -> Occasion:
        """Begin a process; the occasion is its end, with what it returns."""
        end = Occasion(self)

        def go_on(outcome: Any) -> None:
            try:
                wish = process.send(outcome)
            except StopIteration as stop:
                end.happen(stop.value)
                return
            if isinstance(wish, Occasion):
                wish.then(go_on)
            else:
                self.at(wish, go_on)

        self.at(0.0, go_on)
        return end

    def run(self, until_seconds: float = math.inf) -> None:
        """Go on until nothing is to come, or that moment."""
        while self._coming and self._coming[0][0] <= until_seconds:
            self.now, _, go_on, outcome = heapq.heappop(self._coming)
            go_on(outcome)


class Room:
    """What so many may hold at once; the others wait in the order in which they came."""

    def __init__(self, simulation: Simulation, places: int) -> None:
        self._simulation = simulation
        self._free = places
        self._waiting: deque[Occasion] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def take(self) -> Occasion:
        """Wait for a place."""
        turn = Occasion(self._simulation)
        if self._free:
            self._free -= 1
            turn.happen()
        else:
            self._waiting.append(turn)
        return turn

    def leave(self) -> None:
        """Give the place to the next."""
        if self._waiting:
            self._waiting.popleft().happen()
        else:
            self._free += 1


class Machine:
    """Cores that processes share; each process of Python uses one at a time."""

    def __init__(self, simulation: Simulation, cores: int) -> None:
        self._simulation = simulation
        self._cores = Room(simulation, cores)
        self._processes: dict[str, Room] = {}
        self.busy_seconds: dict[str, float] = {}

    def use(self, process: str, seconds: float, *, threads: int = 1) -> Process:
        """Compute for so long, as `process`, of which `threads` run at once."""
        own = self._processes.setdefault(process, Room(self._simulation, threads))
        yield own.take()
        left = seconds
        while left > 0:
            yield self._cores.take()
            part = min(left, SLICE_SECONDS)
            yield part
            self._cores.leave()
            left -= part
        own.leave()
        self.busy_seconds[process] = self.busy_seconds.get(process, 0.0) + seconds


class Batches:
    """The coalescer: what arrives while batches are in flight forms the next one."""

    def __init__(
        self,
        simulation: Simulation,
        handle: Callable[[int], Process],
        *,
        items_max: int,
        in_flight_max: int,
    ) -> None:
        self._simulation = simulation
        self._handle = handle
        self._items_max = items_max
        self._in_flight_max = in_flight_max
        self._waiting: deque[Occasion] = deque()
        self._running = 0
        self.sizes: list[int] = []

    def submit(self) -> Occasion:
        """Wait for one item's outcome."""
        done = Occasion(self._simulation)
        self._waiting.append(done)
        if self._running < self._in_flight_max:
            self._running += 1
            self._simulation.start(self._work())
        return done

    def submit_many(self, count: int) -> Process:
        """Wait for all of so many items that come together."""
        yield from [self.submit() for _ in range(count)]

    def _work(self) -> Process:
        yield 0.0  # What comes in the same turn joins.
        while self._waiting:
            size = min(self._items_max, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(size)]
            self.sizes.append(size)
            yield from self._handle(size)
            for done in batch:
                done.happen()
        self._running -= 1


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies. Raises ValueError for none."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[min(len(values) - 1, math.floor(share * len(values)))]
