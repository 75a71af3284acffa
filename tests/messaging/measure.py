"""Measures the road alone: messages accepted and delivered per second, and what each costs.

    python -m tests.messaging.measure [MESSAGES] [PEOPLE]

Everything is real (TLS, signatures, PostgreSQL with fsync, NATS) but billing, which answers at the
port at once. The load generator shares the machine.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import uvloop

from hudhud.messaging.v1 import messaging_service_pb2 as pb
from services.kit.config import Address
from services.local.certificates import Authority
from services.local.databases import Databases
from services.local.leash import Leash
from services.local.nats import Nats
from services.local.ports import Ports
from services.local.postgres import Postgres
from tests.fixtures.state import temporary_state
from tests.messaging.house import House, Replica
from tests.messaging.parties import DELIVERED, Business, Person

ITEMS_PER_REQUEST = 128
REQUESTS_AT_ONCE = 8
# A device's sealed message of a few lines, padded to its size class.
CIPHERTEXT = bytes(640)


def serve(house: House, authority: Authority, addresses: Connection) -> None:
    """Be a messaging process until killed."""

    async def run() -> None:
        async with house.replica() as replica:
            # As services.kit.process does.
            gc.collect()
            gc.freeze()
            addresses.send((replica.server.internal_address, replica.server.public_address))
            await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


class Remote(Replica):
    """Stubs that call a messaging in another process."""

    def __init__(
        self,
        house: House,
        addresses: Sequence[Address],
        stack: AsyncExitStack,
        authority: Authority,
    ) -> None:
        self.internal_address, self.public_address = addresses
        super().__init__(house, self, stack, authority)  # type: ignore[arg-type]


class Meter:
    """Reads the CPU seconds of processes."""

    def __init__(self, processes: dict[str, psutil.Process]) -> None:
        self._processes = processes

    def read(self) -> dict[str, float]:
        return {name: _seconds(process) for name, process in self._processes.items()}

    async def measure(self, name: str, count: int, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work`, which handles `count` messages, and print what it took."""
        before, start = self.read(), time.perf_counter()
        await work()
        took = time.perf_counter() - start
        costs = ", ".join(
            f"{process} {(seconds - before[process]) / count * 1e6:.0f} µs"
            for process, seconds in self.read().items()
        )
        print(f"{name:32} {count / took:7.0f} messages/s; CPU per message: {costs}")


def _seconds(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    total = 0.0
    for member in family:
        try:
            times = member.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    if family[1:]:
        times = process.cpu_times()
        total += times.children_user + times.children_system
    return total


async def accept_all(replica: Replica, items: Sequence[pb.AcceptItem]) -> None:
    """Have all accepted."""
    edge = await replica.service()
    waiting = iter(range(0, len(items), ITEMS_PER_REQUEST))

    async def send() -> None:
        for start in waiting:
            request = pb.AcceptMessagesRequest(items=items[start : start + ITEMS_PER_REQUEST])
            response = await edge.AcceptMessages(request)
            assert all(outcome.HasField("accepted") for outcome in response.outcomes)

    await asyncio.gather(*(send() for _ in range(REQUESTS_AT_ONCE)))


async def take_all(replica: Replica, person: Person, count: int, ready: asyncio.Event) -> None:
    """Attach as the person's device, and ack until `count` messages are confirmed."""
    device = await replica.device(person.person_id, person.device_ids[0])
    async with device.Attach() as stream:
        await stream.write(pb.AttachRequest(start=pb.AttachStart()))
        ready.set()
        confirmed = 0
        while confirmed < count:
            frame = await stream.read()
            confirmed += len(frame.confirmed_envelope_ids)
            if frame.envelopes:
                acks = [
                    pb.Ack(envelope_id=envelope.envelope_id, disposition=DELIVERED)
                    for envelope in frame.envelopes
                ]
                await stream.write(pb.AttachRequest(acks=pb.Acks(acks=acks)))


async def measure(house: House, replica: Replica, meter: Meter, messages: int, people: int) -> None:
    """Print a line for each way to go."""
    business = Business(house)

    def prepare(persons: Sequence[Person]) -> list[pb.AcceptItem]:
        return [
            business.item(persons[number % len(persons)], ciphertext=CIPHERTEXT)
            for number in range(messages)
        ]

    async def take(persons: Sequence[Person], work: Callable[[], Awaitable[None]]) -> None:
        readies = [asyncio.Event() for _ in persons]
        streams = [
            asyncio.ensure_future(take_all(replica, person, messages // len(persons), ready))
            for person, ready in zip(persons, readies, strict=True)
        ]
        await asyncio.gather(*(ready.wait() for ready in readies))
        await work()
        await asyncio.gather(*streams)

    async def nothing() -> None:
        pass

    for count in (1, people):
        persons = [Person() for _ in range(count)]
        items = prepare(persons)
        await meter.measure(
            f"accepted, for {count} away", messages, lambda: accept_all(replica, items)
        )
        await meter.measure(
            f"delivered, to {count} coming back", messages, lambda: take(persons, nothing)
        )
        items = prepare(persons)
        await meter.measure(
            f"both, {count} attached",
            messages,
            lambda: take(persons, lambda: accept_all(replica, items)),
        )


@contextmanager
def standing(messages: int, people: int) -> Iterator[None]:
    """Start everything, measure, stop everything."""
    with ExitStack() as stack:
        state: Path = stack.enter_context(temporary_state())
        leash = stack.enter_context(Leash())
        postgres = Postgres(state, leash)
        stack.callback(postgres.erase)
        postgres.start()
        nats = Nats(state, leash, Ports(state / "ports.json"))
        stack.callback(nats.stop)
        nats.start()
        authority = Authority(state / "certificates")
        for name in ("messaging", "edge"):
            authority.identity(name)
        databases = Databases(postgres.admin_url, state / "secrets")
        url = asyncio.run(databases.ensure("hudhud_messaging"))
        house = House(url, nats.url, authority, state)

        forking = multiprocessing.get_context("fork")
        ours, theirs = forking.Pipe()
        server = forking.Process(target=serve, args=(house, authority, theirs))
        server.start()
        stack.callback(server.join)
        stack.callback(server.terminate)
        addresses: Any = ours.recv()
        assert server.pid is not None
        assert postgres.pid is not None
        assert nats.pid is not None
        meter = Meter(
            {
                "messaging": psutil.Process(server.pid),
                "postgres": psutil.Process(postgres.pid),
                "nats": psutil.Process(nats.pid),
                "load": psutil.Process(),
            }
        )

        async def run() -> None:
            async with AsyncExitStack() as clients:
                replica = Remote(house, addresses, clients, authority)
                await measure(house, replica, meter, messages, people)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
        yield


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    with standing(*(given + [20_000, 100][len(given) :])):
        pass
