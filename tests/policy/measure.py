"""Measures screening alone: messages per second, and what each costs.

    python -m tests.policy.measure [MESSAGES] [ITEMS_PER_REQUEST] [REQUESTS_AT_ONCE]

Everything is real (TLS, PostgreSQL with fsync, the classifier's process); the load generator shares
the machine. Direct messages all differ in their words, so that every one is read by the classifier;
messages of templates differ in their parameters.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import psutil
import uvloop
from rich.console import Console

from hudhud.policy.v1 import policy_service_pb2 as pb
from services.kit.config import Address
from services.local.certificates import Authority
from services.local.databases import Databases
from services.local.leash import Leash
from services.local.postgres import Postgres
from tests.fixtures.state import temporary_state
from tests.policy.house import House, Replica
from tests.policy.parties import REPLY, Business, Person

console = Console(highlight=False, width=200)

NAMES = ("Layla", "Omar", "Nour", "Sami", "Huda", "Karim", "Rana", "Tarek", "Dima", "Fadi")
PLACES = ("Aleppo", "Homs", "Latakia", "Tartus", "Hama", "Daraa", "Amman", "Beirut", "Irbid")
THINGS = ("a lamp", "two chairs", "the blue coat", "a kettle", "your glasses", "the spare key")
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday")
ARABIC = "مرحبًا {}، وصلت شحنتك من {} وفيها {} ويمكنك استلامها يوم {} بعد {}."
ENGLISH = "Hello {}, your parcel from {} with {} has arrived and can be fetched on {} after {}."


class Served:
    """A policy process, seen as a server."""

    def __init__(self, internal: str, public: str) -> None:
        self.internal_address = Address("127.0.0.1", int(internal.rpartition(":")[2]))
        self.public_address = Address("127.0.0.1", int(public.rpartition(":")[2]))


def main(messages: int = 12_800, items: int = 128, at_once: int = 4) -> None:
    """Start everything, measure, stop everything."""
    with ExitStack() as stack:
        state: Path = stack.enter_context(temporary_state())
        postgres = Postgres(state, stack.enter_context(Leash()))
        stack.callback(postgres.erase)
        postgres.start()
        authority = Authority(state / "certificates")
        url = asyncio.run(Databases(postgres.admin_url, state / "secrets").ensure("hudhud_policy"))
        house = House(url, authority, state)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(measure(house, messages, items, at_once))


async def measure(house: House, messages: int, items: int, at_once: int) -> None:
    """Print a line for each kind of messages."""
    async with house.identity():
        process, served = start(house)
        try:
            async with AsyncExitStack() as stack:
                service: Any = type("Service", (), {"servicers": [(None, None)]})
                replica = Replica(house, served, service, stack)  # type: ignore[arg-type]
                await measure_all(replica, psutil.Process(process.pid), messages, items, at_once)
        finally:
            process.terminate()
            process.wait()


def start(house: House) -> tuple[subprocess.Popen[str], Served]:
    """A policy process that serves."""
    settings = house.settings()
    environment = {
        "HUDHUD_" + name.upper(): str(getattr(value, "path", value))
        for name, value in settings
        if value is not None and name not in ("internal_listen", "public_listen", "share_port")
    } | {"HUDHUD_INTERNAL_LISTEN": "127.0.0.1:0", "HUDHUD_PUBLIC_LISTEN": "127.0.0.1:0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "services.policy"],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if " serving" in line:
            said = dict(word.split("=", 1) for word in line.split() if "=" in word)
            break
    else:
        raise SystemExit("policy does not serve")
    return process, Served(said["internal"], said["public"])


async def measure_all(
    replica: Replica, process: psutil.Process, messages: int, items: int, at_once: int
) -> None:
    business = Business(replica)
    people = [Person(replica) for _ in range(500)]
    template = await business.submit(
        "Hello {{name}}, your parcel {{number}} from {{place}} arrives on {{day}}.",
        {"name": "Layla", "number": "90213", "place": "Homs", "day": "Sunday"},
    )
    chance = random.Random(1)

    def words() -> list[str]:
        return [chance.choice(of) for of in (NAMES, PLACES, THINGS, DAYS)]

    def letters() -> str:
        return "".join(chance.choices("abdfhklmnrstz", k=2) + chance.choices("aeiou", k=2))

    def of_template() -> pb.ScreenItem:
        name, place, _, day = words()
        return business.use(
            chance.choice(people),
            template,
            name=f"{name} {letters()}",
            number=str(chance.randrange(10**6)),
            place=place,
            day=day,
        )

    def direct() -> pb.ScreenItem:
        body = chance.choice((ENGLISH, ARABIC)).format(*words(), f"{letters()} {letters()}")
        return business.item(chance.choice(people), body)

    def same_words() -> pb.ScreenItem:
        body = f"Your parcel {chance.randrange(10**4)} arrives at {chance.randrange(24)}:00."
        return business.item(chance.choice(people), body)

    def reply() -> pb.ScreenItem:
        return business.item(chance.choice(people), f"Yes, {letters()} {letters()} is here.", REPLY)

    makers = {
        "templates": of_template,
        "direct, all different": direct,
        "direct, other numbers": same_words,
        "replies": reply,
    }
    await screen_all(business, [direct() for _ in range(1280)], items, at_once)
    for name, maker in makers.items():
        batch = [maker() for _ in range(messages)]
        before, began = spent(process), time.perf_counter()
        outcomes = await screen_all(business, batch, items, at_once)
        seconds = time.perf_counter() - began
        costs = ", ".join(
            f"{part} {(used - before[part]) / messages * 1e6:.0f}"
            for part, used in spent(process).items()
        )
        console.print(
            f"{name:24} {messages / seconds:7.0f} items/s; µs of CPU an item: {costs}; {outcomes}"
        )
    sizes = {
        name: f"{each.memory_info().rss / 1e6:.0f} MB" for name, each in parts(process).items()
    }
    console.print("resident:", ", ".join(f"{name} {size}" for name, size in sizes.items()))
    edge = await replica.service()
    took = []
    for _ in range(300):
        request = pb.ScreenMessagesRequest(items=[direct()])
        began = time.perf_counter()
        await edge.ScreenMessages(request)
        took.append(time.perf_counter() - began)
    console.print(f"one at a time, direct: p50 {sorted(took)[150] * 1e3:.1f} ms")


async def screen_all(
    business: Business, batch: Sequence[pb.ScreenItem], items: int, at_once: int
) -> dict[str, int]:
    """Have all screened; how many came out how."""
    edge = await business.replica.service()
    outcomes: Counter[str] = Counter()
    starts = iter(range(0, len(batch), items))

    async def send() -> None:
        for start in starts:
            request = pb.ScreenMessagesRequest(items=batch[start : start + items])
            response = await edge.ScreenMessages(request)
            outcomes.update(str(each.WhichOneof("outcome")) for each in response.outcomes)

    await asyncio.gather(*(send() for _ in range(at_once)))
    return dict(outcomes)


def parts(process: psutil.Process) -> dict[str, psutil.Process]:
    """Policy's own process, and the classifier's."""
    [child] = process.children()
    return {"policy": process, "classifier": child}


def spent(process: psutil.Process) -> dict[str, float]:
    """CPU seconds so far."""
    return {name: sum(each.cpu_times()[:2]) for name, each in parts(process).items()}


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
