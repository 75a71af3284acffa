"""Measures screening alone: messages per second, and what each costs.

    python -m tests.policy.measure [MESSAGES] [ITEMS_PER_REQUEST] [REQUESTS_AT_ONCE]

Then how long others wait beside somebody who sends advertisements that all differ. At the end the
same messages with a model in shadow and without, by turns, so that what else the
machine does meanwhile falls on both.

Everything is real (TLS, PostgreSQL with fsync, the classifier's process); the load generator shares
the machine. Direct messages all differ in their words, so that every one is read by the classifier;
messages of templates differ in their parameters.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import psutil
import uvloop
from rich.console import Console

from hudhud.policy.v1 import model_pb2
from hudhud.policy.v1 import model_service_pb2 as model_pb
from hudhud.policy.v1 import policy_service_pb2 as pb
from services.local.certificates import Authority
from services.local.databases import Databases
from services.local.leash import Leash
from services.local.postgres import Postgres
from tests.fixtures.state import temporary_state
from tests.fixtures.waiting import eventually
from tests.policy.house import House
from tests.policy.operators import replicas, upload
from tests.policy.parties import REPLY, Business, Person
from tests.policy.processes import Process, process
from tests.policy.releases import Press

console = Console(highlight=False, width=200)

NAMES = ("Layla", "Omar", "Nour", "Sami", "Huda", "Karim", "Rana", "Tarek", "Dima", "Fadi")
PLACES = ("Aleppo", "Homs", "Latakia", "Tartus", "Hama", "Daraa", "Amman", "Beirut", "Irbid")
THINGS = ("a lamp", "two chairs", "the blue coat", "a kettle", "your glasses", "the spare key")
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday")
ARABIC = "مرحبًا {}، وصلت شحنتك من {} وفيها {} ويمكنك استلامها يوم {} بعد {}."
ENGLISH = "Hello {}, your parcel from {} with {} has arrived and can be fetched on {} after {}."


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
    press = Press(house.folder)
    async with house.identity(), process(house, **press.settings) as replica:
        await measure_all(replica, press, messages, items, at_once)


async def measure_all(
    replica: Process, press: Press, messages: int, items: int, at_once: int
) -> None:
    served = psutil.Process(replica.process_id)
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

    def offer() -> pb.ScreenItem:
        return business.item(
            chance.choice(people), f"{letters()} sale! {letters()}: 70% off, buy now!"
        )

    makers = {
        "templates": of_template,
        "direct, all different": direct,
        "direct, other numbers": same_words,
        "replies": reply,
        "offers, stopped": offer,
    }
    await screen_all(business, [direct() for _ in range(1280)], items, at_once)

    async def run(name: str, maker: Callable[[], pb.ScreenItem]) -> None:
        batch = [maker() for _ in range(messages)]
        before, began = spent(served), time.perf_counter()
        outcomes = await screen_all(business, batch, items, at_once)
        seconds = time.perf_counter() - began
        costs = ", ".join(
            f"{part} {(used - before[part]) / messages * 1e6:.0f}"
            for part, used in spent(served).items()
        )
        console.print(
            f"{name:24} {messages / seconds:7.0f} items/s; µs of CPU an item: {costs}; {outcomes}"
        )

    for name, maker in makers.items():
        await run(name, maker)
    sizes = {name: f"{each.memory_info().rss / 1e6:.0f} MB" for name, each in parts(served).items()}
    console.print("resident:", ", ".join(f"{name} {size}" for name, size in sizes.items()))
    console.print("one at a time, direct:", await one_at_a_time(business, direct))
    advertiser = Business(replica)

    def advertisement() -> pb.ScreenItem:
        body = f"{letters()} sale! {letters()}: 70% off all {letters()}, buy now!"
        return advertiser.item(chance.choice(people), body)

    flood = [advertisement() for _ in range(messages)]
    flooding = asyncio.ensure_future(screen_all(advertiser, flood, items, at_once))
    console.print("the same beside a flood:", await one_at_a_time(business, direct, flooding))
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)
    release = press.release()
    await upload(replica, release)
    models = await replica.models()

    async def watched() -> bool:
        return {each.shadow_version for each in (await replicas(replica)).replicas} == {shadow}

    async def told(version: str) -> model_pb2.ShadowReport:
        request = model_pb.GetShadowReportRequest(version=version)
        return cast(model_pb2.ShadowReport, (await models.GetShadowReport(request)).report)

    async def counted() -> bool:
        report = await told(release.version)
        return bool(report.judged_count + report.dropped_count == messages)

    for shadow in ("", release.version) * 3:
        if shadow:
            await models.ShadowModel(model_pb.ShadowModelRequest(version=shadow))
        else:
            await models.EndShadow(model_pb.EndShadowRequest())
        await eventually(watched, 120)
        await run("direct, in shadow too" if shadow else "direct, no shadow", direct)
        if shadow:
            before = spent(served)["shadow"]
            await eventually(counted, 300)
            report = await told(shadow)
            console.print(
                f"judged twice {report.judged_count}, dropped {report.dropped_count};"
                f" µs of CPU an item afterwards: shadow"
                f" {(spent(served)['shadow'] - before) / messages * 1e6:.0f}"
            )


async def one_at_a_time(
    business: Business,
    maker: Callable[[], pb.ScreenItem],
    beside: asyncio.Future[dict[str, int]] | None = None,
) -> str:
    """How long each of 300 messages took, or of those that went while something else did."""
    edge = await business.replica.service()
    took: list[float] = []
    while len(took) < 300 and not (beside is not None and beside.done()):
        request = pb.ScreenMessagesRequest(items=[maker()])
        began = time.perf_counter()
        await edge.ScreenMessages(request)
        took.append(time.perf_counter() - began)
    took.sort()
    return (
        f"p50 {took[len(took) // 2] * 1e3:.1f} ms, p99 {took[len(took) * 99 // 100] * 1e3:.1f} ms,"
        f" of {len(took)}"
    )


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
    """Policy's own process, the live classifier's, and that of the one in shadow."""
    children = sorted(process.children(), key=psutil.Process.create_time)
    return {
        "policy": process,
        **dict(zip(("classifier", "shadow"), children, strict=False)),
    }


def spent(process: psutil.Process) -> dict[str, float]:
    """CPU seconds so far."""
    return {name: sum(each.cpu_times()[:2]) for name, each in parts(process).items()}


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
