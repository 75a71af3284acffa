"""A new release: every replica is restarted, one after another, while messages are being sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.local.leash import Leash
from services.local.ports import any_free_port
from services.local.processes import ServiceProcess
from services.local.roster import ROSTER, Service
from tests.fixtures.platform import RunPlatform
from tests.fixtures.waiting import eventually
from tests.journeys.parties import Parties, Person, receipt

SENDERS: Final = 4
PEOPLE: Final = 4
# How long a device may hear nothing while messages for it keep coming.
SILENCE_SECONDS_MAX: Final = 2.0


class Replica:
    """A process of a service beside the platform's own, on the same ports."""

    def __init__(
        self, service: Service, told: Mapping[str, str], state: Path, leash: Leash, number: int
    ) -> None:
        """`told` is the environment of the platform's own process."""
        self.address = f"127.0.0.1:{any_free_port()}"
        environment = {
            **told,
            "HUDHUD_HEALTH_LISTEN": self.address,
            "HUDHUD_EDGE_REPLICA": str(number),
        }
        self._process = ServiceProcess(
            f"{service.name} {number}",
            service.module,
            lambda: environment,
            state / "logs" / f"{service.name}-{number}.log",
            leash,
        )

    async def start(self) -> None:
        """Returns once it takes calls."""
        await self._process.start()
        async with grpc.aio.insecure_channel(self.address) as channel:
            check: Any = health_pb2_grpc.HealthStub(channel).Check

            async def is_serving() -> bool:
                assert self._process.pid is not None, self._process.log_end()
                try:
                    answer = await check(health_pb2.HealthCheckRequest(), timeout=1)
                except grpc.aio.AioRpcError:
                    return False
                return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

            await eventually(is_serving, seconds=60)

    async def stop(self) -> None:
        """As Kubernetes does: it is told, and waited for."""
        await self._process.stop()
        assert self._process.exit_code == 0, self._process.log_end()


@pytest.mark.timeout(400)
async def test_every_replica_is_restarted_and_no_send_fails(
    run_platform: RunPlatform, leash: Leash
) -> None:
    share = {service.name: {"HUDHUD_SHARE_PORT": "true"} for service in ROSTER}
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(run_platform(share))
        firsts: dict[str, Replica] = {}
        seconds: dict[str, Replica] = {}
        for service in ROSTER:
            told = psutil.Process(platform.processes[service.name].pid).environ()
            firsts[service.name], seconds[service.name] = (
                Replica(service, told, platform.state, leash, number) for number in (1, 2)
            )
            await seconds[service.name].start()
            stack.push_async_callback(seconds[service.name].stop)
        parties = Parties(platform, stack)
        await parties.begin()
        shop = await parties.business()
        people = [await parties.person() for _ in range(PEOPLE)]
        sent: dict[str, list[str]] = {person.phone_number: [] for person in people}
        stopping = asyncio.Event()

        async def send(first: int) -> None:
            number = first
            while not stopping.is_set():
                person = people[number % PEOPLE]
                message = receipt(person.phone_number, order=str(number))
                outcome = await shop.send(message)
                assert outcome.HasField("accepted"), outcome
                sent[person.phone_number].append(message.message_id)
                number += SENDERS
                await asyncio.sleep(0.02)

        hearing = [asyncio.ensure_future(hear(person)) for person in people]
        async with asyncio.TaskGroup() as sending:
            for number in range(SENDERS):
                sending.create_task(send(number))
            for service in ROSTER:
                await platform.stop(service.name)
                await firsts[service.name].start()
                stack.push_async_callback(firsts[service.name].stop)
                await seconds[service.name].stop()
                await seconds[service.name].start()
            stopping.set()

        async def all_arrived() -> bool:
            return sum(map(len, sent.values())) <= sum(person.arrived_count for person in people)

        await eventually(all_arrived)
        for task in hearing:
            task.cancel()
        silences = await asyncio.gather(*hearing)
        arrived = {
            person.phone_number: [message.message_id for message in person.take_all()]
            for person in people
        }
        for phone_number, message_ids in sent.items():
            assert sorted(arrived[phone_number]) == sorted(message_ids), "lost or doubled"
        assert max(silences) < SILENCE_SECONDS_MAX
        assert not (await parties.operator.check_ledger()).faults


async def hear(person: Person) -> float:
    """Until cancelled; the longest time in which nothing arrived, in seconds."""
    longest, last, count = 0.0, time.monotonic(), person.arrived_count
    try:
        while True:
            await asyncio.sleep(0.005)
            if person.arrived_count > count:
                count, now = person.arrived_count, time.monotonic()
                longest, last = max(longest, now - last), now
    except asyncio.CancelledError:
        return longest
