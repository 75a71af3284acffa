"""What comes at once: retries, phones that come back, looks of streams, commits, one account.

Each is a small model of its own of the code that it names, with measured costs where there are any.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Final

from docs.scale.figures import Figures
from docs.scale.queues import Batches, Machine, Occasion, Process, Room, Simulation, quantile

# --- Retries: protos/README.md ------------------------------------------------------------------

ATTEMPTS_MAX: Final = 4
BACKOFF_SECONDS: Final = (0.05, 0.15, 0.45)
BACKOFF_SPREAD: Final = 0.2
DEADLINE_SECONDS: Final = 20.0
WAITING_MAX: Final = 16_384  # services/kit/coalesce.py
SEND_AGAIN_SECONDS: Final = 1.0  # the delay that OVERLOADED and UNAVAILABLE come with


@dataclass(frozen=True)
class Manners:
    """How clients and a server meet trouble."""

    attempts_max: int
    deadline_seconds: float
    send_again_seconds: float
    waiting_max: float
    # Whether what nobody waits for any more is taken out of the queue.
    withdrawn: bool


PUBLISHED: Final = Manners(
    ATTEMPTS_MAX, DEADLINE_SECONDS, SEND_AGAIN_SECONDS, WAITING_MAX, withdrawn=True
)
# What many do: a second of patience, soon again, a queue without end, work for nobody.
IMPATIENT: Final = Manners(1, 1.0, 0.5, float("inf"), withdrawn=False)


@dataclass(slots=True)
class _Waiting:
    done: Occasion
    given_up: bool = False
    served: bool = False


@dataclass(frozen=True)
class Outage:
    """What became of the messages around an outage."""

    answered_share: float  # of all that were to be sent, when the simulation ended
    served_of_message: float  # how often the server did the work of one that was answered
    recovered_seconds: float  # from the outage's end until nothing was late; inf: never
    attempts_of_message: float


def outage(
    manners: Manners,
    *,
    load: float,
    seed: int,
    outage_seconds: float = 5.0,
    messages_s: float = 60.0,
    seconds: float = 75.0,
) -> Outage:
    """A server that is away for a while, used to a share `load` of what it can do."""
    chance = random.Random(seed)
    simulation = Simulation()
    begin = 10.0
    queue: deque[_Waiting] = deque()
    awake = Occasion(simulation)
    counts = {"sent": 0, "answered": 0, "served": 0, "attempts": 0}
    late_until = begin + outage_seconds
    service_seconds = load / messages_s

    def is_away() -> bool:
        return begin <= simulation.now < begin + outage_seconds

    def server() -> Process:
        nonlocal awake
        while True:
            if not queue:
                awake = Occasion(simulation)
                yield awake
            one = queue.popleft()
            if one.given_up and manners.withdrawn:
                continue
            yield service_seconds
            counts["served"] += 1
            one.served = True
            if not one.given_up:
                one.done.happen()

    def attempt() -> Process:
        """What became of an attempt."""
        counts["attempts"] += 1
        if is_away():
            yield 0.001
            return "unavailable"
        if len(queue) >= manners.waiting_max:
            return "overloaded"
        one = _Waiting(Occasion(simulation))
        queue.append(one)
        if len(queue) == 1:
            awake.happen()

        def give_up(_: object) -> None:
            if not one.served and not one.given_up:
                one.given_up = True
                one.done.happen()

        simulation.at(manners.deadline_seconds, give_up)
        yield one.done
        return "late" if one.given_up else "answered"

    def program() -> Process:
        nonlocal late_until
        start = simulation.now
        counts["sent"] += 1
        while True:
            became = ""
            for number in range(manners.attempts_max):
                became = yield from attempt()
                if became != "unavailable" or number + 1 == manners.attempts_max:
                    break
                spread = chance.uniform(1 - BACKOFF_SPREAD, 1 + BACKOFF_SPREAD)
                yield BACKOFF_SECONDS[number] * spread
            if became == "answered":
                counts["answered"] += 1
                if simulation.now - start > 1.0:
                    late_until = max(late_until, simulation.now)
                return
            pause = manners.send_again_seconds
            yield pause * chance.uniform(1 - BACKOFF_SPREAD, 1 + BACKOFF_SPREAD)

    def arrivals() -> Process:
        while simulation.now < seconds:
            yield chance.expovariate(messages_s)
            simulation.start(program())

    simulation.start(server())
    simulation.start(arrivals())
    simulation.run(seconds)
    answered = counts["answered"]
    share = answered / counts["sent"]
    recovered = late_until < seconds - 5 and share > 0.99
    return Outage(
        share,
        counts["served"] / max(1, answered),
        late_until - begin - outage_seconds if recovered else float("inf"),
        counts["attempts"] / counts["sent"],
    )


# --- Phones that come back: services/ends/device/device.py ----------------------------------------

RETURN_LONGEST_SECONDS: Final = 1.0
# gRPC gives a connection up that is not made by then, and begins another.
CONNECT_SECONDS_MAX: Final = 20.0
RETURN_SECONDS: Final = 120.0  # longer is not waited for


@dataclass(frozen=True)
class Return:
    """How phones came back to the replicas that were left."""

    drained_seconds: float  # until the last was attached
    p50_seconds: float
    begun_of_phone: float  # connections begun for each phone
    moments: tuple[float, ...]  # when each was attached


def phones_return(
    figures: Figures,
    *,
    phones: int,
    replicas_left: int,
    utilisation: float,
    seed: int,
) -> Return:
    """The phones of a replica that ended attach to those that are left, which have work already."""
    chance = random.Random(seed)
    simulation = Simulation()
    machine = Machine(simulation, replicas_left * 2)
    # The road's own work slows a replica down as if it were less of one.
    seconds = figures.cpu("attach", "messaging") / 1e6 / (1 - utilisation)
    attached: list[float] = []
    begun = 0

    def phone(number: int) -> Process:
        nonlocal begun
        for usual in chain(BACKOFF_SECONDS, repeat(RETURN_LONGEST_SECONDS)):
            pause = usual * chance.uniform(1 - BACKOFF_SPREAD, 1 + BACKOFF_SPREAD)
            yield pause + chance.uniform(0, 0.05)  # the network
            begun += 1
            start = simulation.now
            yield from machine.use(f"messaging {(number + begun) % replicas_left}", seconds)
            if simulation.now - start < CONNECT_SECONDS_MAX:
                attached.append(simulation.now)
                return

    for number in range(phones):
        simulation.start(phone(number))
    simulation.run(RETURN_SECONDS)
    late = [RETURN_SECONDS] * (phones - len(attached))
    times = attached + late
    return Return(max(times), quantile(times, 0.5), begun / phones, tuple(attached))


CONNECTION_AGE_SECONDS: Final = 300.0  # services/kit/server.py
CONNECTION_AGE_SPREAD: Final = 0.1  # gRPC's own


def wave_p99_ms(
    figures: Figures,
    moments: Sequence[float],
    *,
    stage: str,
    spread_seconds: float,
    replicas: int,
    utilisation: float,
    seed: int,
) -> float:
    """How long it takes when what began at those moments comes again together.

    `stage` is the measured work of each; they come `spread_seconds` earlier or later.
    """
    chance = random.Random(seed)
    simulation = Simulation()
    machine = Machine(simulation, replicas * 2)
    seconds = figures.cpu(stage, "messaging") / 1e6 / (1 - utilisation)
    times: list[float] = []

    def phone(number: int, moment: float) -> Process:
        yield spread_seconds + moment + chance.uniform(-spread_seconds, spread_seconds)
        start = simulation.now
        yield from machine.use(f"messaging {number % replicas}", seconds)
        times.append(simulation.now - start)

    for number, moment in enumerate(moments):
        simulation.start(phone(number, moment))
    simulation.run()
    return quantile(times, 0.99) * 1e3


def phones_of_replica_max(figures: Figures, *, replicas_left: int, utilisation: float) -> int:
    """How many phones a replica may hold so that connections are made before gRPC gives them up."""
    rate = replicas_left * (1 - utilisation) / (figures.cpu("attach", "messaging") / 1e6)
    return int(rate * CONNECT_SECONDS_MAX)


# --- Looks of streams that nobody woke: services/messaging/actions/attach.py ----------------------


LOOKS_SECONDS: Final = 35.0  # three times all of them


def accept_p99_ms(figures: Figures, *, streams: int, all_at_once: bool, seed: int) -> float:
    """How long a batch of acceptances takes beside the looks of so many streams, in one replica."""
    chance = random.Random(seed)
    simulation = Simulation()
    machine = Machine(simulation, 2)
    poll_seconds, looks_max = 10.0, 64
    look = figures.cpu("look", "messaging") / 1e6
    times: list[float] = []

    def look_for(count: int) -> Process:
        yield from machine.use("messaging", look * count)

    looks = Batches(simulation, look_for, items_max=looks_max, in_flight_max=2)

    def polls() -> Process:
        while True:
            if all_at_once:
                yield poll_seconds
                for _ in range(streams):
                    looks.submit()
            else:
                yield poll_seconds / streams
                looks.submit()

    def accept() -> Process:
        start = simulation.now
        yield from machine.use("messaging", 0.006)
        times.append(simulation.now - start)

    def batches() -> Process:
        while True:
            yield chance.expovariate(1 / 0.020)  # 30% of the process
            simulation.start(accept())

    simulation.start(polls())
    simulation.start(batches())
    simulation.run(LOOKS_SECONDS)
    return quantile(times, 0.99) * 1e3


# --- Commits that share a flush: PostgreSQL -------------------------------------------------------


def commits_s(*, sessions: int, flush_seconds: float, cpu_seconds: float, cores: int) -> float:
    """Transactions a second of sessions that each compute, commit, and begin the next."""
    simulation = Simulation()
    machine = Machine(simulation, cores)
    flushing = Room(simulation, 1)
    group: list[Occasion] = []
    count = 0
    seconds = 0.5

    def flush() -> Process:
        """Everybody whose record is there when it begins is in it."""
        yield flushing.take()
        there = group.copy()
        group.clear()
        if there:
            yield flush_seconds
        flushing.leave()
        for one in there:
            one.happen()

    def session(number: int) -> Process:
        nonlocal count
        while simulation.now < seconds:
            yield from machine.use(f"session {number}", cpu_seconds)
            written = Occasion(simulation)
            group.append(written)
            simulation.start(flush())
            yield written
            count += 1

    for number in range(sessions):
        simulation.start(session(number))
    simulation.run(seconds)
    return count / seconds


# --- One busy account: services/billing -----------------------------------------------------------


def one_account_s(figures: Figures, *, callers: int, items: int) -> float:
    """Reservations a second on one account, whose row each batch holds until it is committed.

    What a batch and an item take is fitted to batches of 1 and of 256, one after the other.
    """
    single = 1 / figures["ledger_reserved_1_per_s"]
    many = 256 / figures["ledger_reserved_256_per_s"]
    item_seconds = max(0.0, many - single) / 255
    batch_seconds = single - item_seconds
    simulation = Simulation()
    account = Room(simulation, 1)
    done = 0
    seconds = 3.0

    def reserve(count: int) -> Process:
        yield account.take()
        yield batch_seconds + item_seconds * count
        account.leave()

    batches = Batches(simulation, reserve, items_max=1000, in_flight_max=2)

    def caller() -> Process:
        nonlocal done
        while simulation.now < seconds:
            yield from batches.submit_many(items)
            done += items

    for _ in range(callers):
        simulation.start(caller())
    simulation.run(seconds)
    return done / seconds
