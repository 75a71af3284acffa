"""The road as queues: the edge's batches, policy's, messaging's and billing's, and their commits.

What a batch costs and what an item in it costs is fitted to two measured loads: one message at a
time (batches of one), and the stream of many (batches of 128 throughout). What the simulation says
of anything else is a prediction, and one of them was measured: 64 messages at once.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from docs.scale.figures import Figures
from docs.scale.queues import Batches, Machine, Process, Room, Simulation, quantile

EDGE_ITEMS: Final = 128
EDGE_IN_FLIGHT: Final = 2
POLICY_ITEMS: Final = 256
POLICY_IN_FLIGHT: Final = 2
MESSAGING_ITEMS: Final = 256
MESSAGING_IN_FLIGHT: Final = 2
BILLING_ITEMS: Final = 1000
BILLING_IN_FLIGHT: Final = 2
# Policy keeps verdicts, the edge its sessions, billing entries, messaging messages.
COMMITS: Final = 4
# Both ends of a call that does nothing use about a core each.
WARM_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Cost:
    """CPU seconds of one process: for a batch, and for each item in it."""

    batch: float
    item: float

    def of(self, items: int) -> float:
        """For a batch of so many."""
        return self.batch + self.item * items


@dataclass(frozen=True)
class Costs:
    """What the road costs, fitted to measurements."""

    edge: Cost
    policy: Cost
    messaging: Cost
    billing: Cost
    postgres: Cost  # of all commits together
    call: float  # CPU seconds of each end of a business's call
    commit_wait: float  # seconds that a commit waits for the disk

    @classmethod
    def fitted(cls, figures: Figures) -> Costs:
        """Fitted to the loads of one at a time and of a stream."""
        call = 1 / figures["echo_unary_tls_per_s"]
        alone = {
            name: figures.cpu("unary_1_at_once", name) / 1e6
            for name in ("edge", "policy", "messaging", "billing", "postgres")
        }
        alone["edge"] -= call
        costs = {}
        for name, single in alone.items():
            many = figures.cpu("stream_of_many", name) / 1e6
            batch = max(0.0, single - many) * EDGE_ITEMS / (EDGE_ITEMS - 1)
            costs[name] = Cost(batch, many - batch / EDGE_ITEMS)
        computing = sum(alone.values()) + 2 * call
        waiting = figures["send_unary_c1_p50_ms"] / 1e3 - computing
        return cls(**costs, call=call, commit_wait=max(0.0, waiting) / COMMITS)


class Road:
    """One replica of each service, on the cores of one machine or each on its own."""

    def __init__(self, simulation: Simulation, costs: Costs, *, cores: int) -> None:
        self.simulation = simulation
        self.machine = Machine(simulation, cores)
        self.latencies: list[float] = []
        self._costs = costs
        self._sealing = Room(simulation, 1)
        self._accepting = Room(simulation, 1)
        self.sending = Batches(
            simulation, self._send, items_max=EDGE_ITEMS, in_flight_max=EDGE_IN_FLIGHT
        )
        self._screening = Batches(
            simulation, self._screen, items_max=POLICY_ITEMS, in_flight_max=POLICY_IN_FLIGHT
        )
        self._dispatching = Batches(
            simulation, self._dispatch, items_max=EDGE_ITEMS, in_flight_max=2
        )
        self._accepted = Batches(
            simulation, self._accept, items_max=MESSAGING_ITEMS, in_flight_max=MESSAGING_IN_FLIGHT
        )
        self._reserving = Batches(
            simulation, self._reserve, items_max=BILLING_ITEMS, in_flight_max=BILLING_IN_FLIGHT
        )

    def call(self) -> Process:
        """A business's call that sends one message."""
        start = self.simulation.now
        yield from self.machine.use("businesses", self._costs.call)
        yield from self.machine.use("edge", self._costs.call / 2)
        yield self.sending.submit()
        yield from self.machine.use("edge", self._costs.call / 2)
        self.latencies.append(self.simulation.now - start)

    def _send(self, items: int) -> Process:
        yield from self.machine.use("edge", self._costs.edge.of(items) / 2)
        yield from self._screening.submit_many(items)
        yield from self._dispatching.submit_many(items)

    def _screen(self, items: int) -> Process:
        yield from self.machine.use("policy", self._costs.policy.of(items))
        yield from self._commit(items)

    def _dispatch(self, items: int) -> Process:
        # One batch is sealed while the one before it is on its way, and leaves after it.
        yield self._sealing.take()
        yield from self.machine.use("edge", self._costs.edge.of(items) / 2)
        yield from self._commit(items)
        yield self._accepting.take()
        self._sealing.leave()
        yield from self._accepted.submit_many(items)
        self._accepting.leave()

    def _accept(self, items: int) -> Process:
        yield from self.machine.use("messaging", self._costs.messaging.of(items))
        yield from self._reserving.submit_many(items)
        yield from self._commit(items)

    def _reserve(self, items: int) -> Process:
        yield from self.machine.use("billing", self._costs.billing.of(items))
        yield from self._commit(items)

    def _commit(self, items: int) -> Process:
        cost = self._costs.postgres
        yield from self.machine.use("postgres", cost.of(items) / COMMITS, threads=16)
        yield self._costs.commit_wait


@dataclass(frozen=True)
class Ran:
    """What became of a load."""

    rate: float  # messages a second
    p50_ms: float
    p99_ms: float
    batch_items: float  # of the edge, the mean
    busiest: str
    utilisation: float  # of the busiest service


def _ran(road: Road, seconds: float, messages: int) -> Ran:
    services = {
        name: busy
        for name, busy in road.machine.busy_seconds.items()
        if name not in ("businesses", "postgres")
    }
    busiest = max(services, key=lambda name: services[name])
    sizes = road.sending.sizes
    return Ran(
        messages / seconds,
        quantile(road.latencies, 0.50) * 1e3,
        quantile(road.latencies, 0.99) * 1e3,
        sum(sizes) / len(sizes),
        busiest,
        services[busiest] / seconds,
    )


def at_once(costs: Costs, *, concurrency: int, messages: int, cores: int) -> Ran:
    """So many programs, each of which sends the next message when it has its answer."""
    simulation = Simulation()
    road = Road(simulation, costs, cores=cores)
    left = iter(range(messages))

    def program() -> Process:
        for _ in left:
            yield from road.call()

    for _ in range(concurrency):
        simulation.start(program())
    simulation.run()
    return _ran(road, simulation.now, messages)


def arriving(costs: Costs, *, rate: float, messages: int, cores: int, seed: int) -> Ran:
    """Messages that come by themselves, whatever is still on its way (a Poisson process)."""
    chance = random.Random(seed)
    simulation = Simulation()
    road = Road(simulation, costs, cores=cores)

    def arrivals() -> Process:
        for _ in range(messages):
            yield chance.expovariate(rate)
            simulation.start(road.call())

    simulation.start(arrivals())
    simulation.run()
    return _ran(road, simulation.now, messages)
