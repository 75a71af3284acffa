"""Measures the road alone: messages accepted and delivered per second, and what each costs.

    python -m tests.messaging.measure [MESSAGES] [PEOPLE]

Everything is real (TLS, signatures, PostgreSQL with fsync, NATS) but billing, which answers at the
port at once. The load generator shares the machine.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import psutil
import uvloop

from hudhud.messaging.v1 import messaging_service_pb2 as pb
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


class Meter:
    """Reads the CPU seconds of servers, with their children, and of the load generator."""

    def __init__(self, servers: dict[str, int]) -> None:
        self._servers = {name: psutil.Process(pid) for name, pid in servers.items()}

    def read(self) -> dict[str, float]:
        """CPU seconds by name."""
        servers = {name: _seconds(process) for name, process in self._servers.items()}
        return {**servers, "load": time.process_time()}

    def write_memory(self) -> None:
        """Say how much memory each server's own process has."""
        resident = ", ".join(
            f"{name} {process.memory_info().rss / 2**20:.0f} MiB"
            for name, process in self._servers.items()
        )
        sys.stdout.write(f"resident: {resident}\n")

    async def measure(self, name: str, count: int, work: Awaitable[None]) -> None:
        """Await `work`, which handles `count` messages, and say what it took."""
        before, start = self.read(), time.perf_counter()
        await work
        took = time.perf_counter() - start
        costs = ", ".join(
            f"{process} {(seconds - before[process]) / count * 1e6:.0f} µs"
            for process, seconds in self.read().items()
        )
        sys.stdout.write(f"{name:32} {count / took:7.0f} messages/s; CPU per message: {costs}\n")


def _seconds(process: psutil.Process) -> float:
    total = 0.0
    for member in (process, *process.children(recursive=True)):
        try:
            times = member.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
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


async def while_attached(
    replica: Replica, people: Sequence[Person], each: int, work: Callable[[], Awaitable[None]]
) -> None:
    """Do `work` once everybody is attached; return when each has `each` messages."""
    readies = [asyncio.Event() for _ in people]
    async with asyncio.TaskGroup() as tasks:
        for person, ready in zip(people, readies, strict=True):
            tasks.create_task(take_all(replica, person, each, ready))
        for ready in readies:
            await ready.wait()
        await work()


async def measure(replica: Replica, meter: Meter, messages: int, people: int) -> None:
    """Write a line for each way to go."""
    business = Business(replica.house)
    for count in (1, people):
        persons = [Person() for _ in range(count)]
        each = messages // count

        def prepare(persons: Sequence[Person] = persons, each: int = each) -> list[pb.AcceptItem]:
            return [
                business.item(person, ciphertext=CIPHERTEXT)
                for _ in range(each)
                for person in persons
            ]

        items = prepare()
        name = f"accepted, for {count} away"
        await meter.measure(name, messages, accept_all(replica, items))
        name = f"delivered, to {count} coming back"
        nothing = partial(asyncio.sleep, 0)
        await meter.measure(name, messages, while_attached(replica, persons, each, nothing))
        accept = partial(accept_all, replica, prepare())
        name = f"both, {count} attached"
        await meter.measure(name, messages, while_attached(replica, persons, each, accept))


@asynccontextmanager
async def standing() -> AsyncIterator[tuple[Replica, Meter]]:
    """A messaging process with all that it stands on."""
    with ExitStack() as stack:
        state: Path = stack.enter_context(temporary_state())
        leash = stack.enter_context(Leash())
        postgres = Postgres(state, leash)
        stack.callback(postgres.erase)
        nats = Nats(state, leash, Ports(state / "ports.json"))
        stack.callback(nats.stop)
        await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(nats.start)
        url = await Databases(postgres.admin_url, state / "secrets").ensure("hudhud_messaging")
        house = House(url, nats.url, Authority(state / "certificates"), state)
        async with house.process() as replica:
            assert postgres.pid is not None
            assert nats.pid is not None
            pids = {"messaging": replica.pid, "postgres": postgres.pid, "nats": nats.pid}
            yield replica, Meter(pids)


async def main(messages: int = 20_000, people: int = 100) -> None:
    """Stand everything up, measure, take everything down."""
    async with standing() as (replica, meter):
        await measure(replica, meter, messages, people)
        meter.write_memory()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*(int(argument) for argument in sys.argv[1:])))
