"""What survives: services killed and JetStream wiped in the middle of the road."""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import AsyncExitStack

import pytest

from hudhud.edge.v1 import edge_service_pb2
from hudhud.messaging.v1 import message_pb2
from services.kit.errors import Refusal
from services.local.parties import Business
from services.local.platform import LocalPlatform
from tests.fixtures.platform import RunPlatform
from tests.journeys.parties import PATIENCE_SECONDS, Parties, Person, receipt, spent_micros

MESSAGES = 100
# What a program tries again; anything else would be a refusal of a sound message.
WORTH_RETRYING = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"}


async def send_until_answered(business: Business, message: edge_service_pb2.OutgoingMessage) -> int:
    """Sends a message as a program does that wants it sent: again until there is an answer.

    Returns the price in micros.
    """
    while True:
        try:
            outcome = await business.send(message)
        except Refusal as refusal:
            if refusal.reason.status.name not in WORTH_RETRYING:
                raise
            await asyncio.sleep(0.1)
            continue
        assert outcome.HasField("accepted")
        return int(outcome.accepted.price.amount_micros)


async def received(person: Person, count: int) -> list[str]:
    """The message ids of everything that arrives, until there are so many different ones."""
    arrived: list[str] = []
    while len(set(arrived)) < count:
        arrived.append((await person.next_message()).message_id)
    return arrived


async def delivered_events(business: Business, count: int) -> list[str]:
    """The ids of the messages that the business was told were delivered."""

    async def collect() -> list[str]:
        found: list[str] = []
        async for event in business.events():
            if event.status_changed.state == message_pb2.MESSAGE_STATE_DELIVERED:
                found.append(event.status_changed.message_id)
            if len(found) == count:
                return found
        raise AssertionError("events do not end")

    return await asyncio.wait_for(collect(), 2 * PATIENCE_SECONDS)


async def check_everything(
    parties: Parties, shop: Business, person: Person, sent: dict[str, int]
) -> None:
    """Every accepted message arrived once, was captured once and told of once."""
    arrived = await received(person, len(sent))
    assert sorted(arrived) == sorted(sent)
    assert sorted(await delivered_events(shop, len(sent))) == sorted(sent)
    assert await spent_micros(shop) == sum(sent.values())
    assert not (await parties.operator.check_ledger()).faults
    assert not person.has_more


@pytest.mark.timeout(240)
@pytest.mark.parametrize("victim", ["messaging", "billing", "edge", "policy"])
async def test_a_service_killed_in_the_middle_loses_and_doubles_nothing(
    run_platform: RunPlatform, victim: str
) -> None:
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    async with run_platform() as platform, AsyncExitStack() as stack:
        parties = Parties(platform, stack)
        await parties.begin()
        shop, person = await parties.business(), await parties.person()
        messages = [receipt(person.phone_number, order=str(n)) for n in range(MESSAGES)]
        killed_at = chance.randrange(10, 60)
        finished = 0
        reached = asyncio.Event()

        async def send(message: edge_service_pb2.OutgoingMessage) -> tuple[str, int]:
            nonlocal finished
            price = await send_until_answered(shop, message)
            finished += 1
            if finished == killed_at:
                reached.set()
            return message.message_id, price

        room = asyncio.Semaphore(8)

        async def send_in_turn(message: edge_service_pb2.OutgoingMessage) -> tuple[str, int]:
            async with room:
                return await send(message)

        sending = asyncio.gather(*(send_in_turn(message) for message in messages))
        await asyncio.wait_for(reached.wait(), PATIENCE_SECONDS)
        await platform.kill(victim)
        await platform.start(victim)
        sent = dict(await asyncio.wait_for(sending, 3 * PATIENCE_SECONDS))
        await check_everything(parties, shop, person, sent)


@pytest.mark.timeout(240)
async def test_jetstream_wiped_in_the_middle_loses_nothing(run_platform: RunPlatform) -> None:
    async with run_platform() as platform, AsyncExitStack() as stack:
        parties = Parties(platform, stack)
        await parties.begin()
        shop, person = await parties.business(), await parties.person()
        sent: dict[str, int] = {}

        async def send_some(platform: LocalPlatform, count: int) -> None:
            for _ in range(count):
                message = receipt(person.phone_number)
                sent[message.message_id] = await send_until_answered(shop, message)

        await send_some(platform, MESSAGES // 2)
        # Some of the events are captured and told of by now, some are on the way, some still to
        # come: whatever JetStream held of them is gone.
        wiping = asyncio.get_running_loop().create_task(platform.wipe_jetstream())
        await send_some(platform, MESSAGES // 2)
        await wiping
        await check_everything(parties, shop, person, sent)
