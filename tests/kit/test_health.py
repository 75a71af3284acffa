"""The listener for probes: plain, open to anybody, about health alone, and there to the end."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.kit.server import PROBES_IN_FLIGHT_MAX
from services.local.certificates import Authority
from tests.kit.probe import SERVICE, Probe, only_error_info, pb, running_probe, stubs

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def starting(authority: Authority) -> AsyncIterator[Probe]:
    """A process that listens and does not serve yet."""
    async with running_probe(
        authority, serve=False, health_listen="127.0.0.1:0", calls_in_flight_max=1
    ) as probe:
        yield probe


@pytest.fixture
async def plain(starting: Probe) -> AsyncIterator[grpc.aio.Channel]:
    """What a kubelet has: no certificate, and no TLS at all."""
    async with grpc.aio.insecure_channel(str(starting.server.health_address)) as channel:
        yield channel


async def health(channel: grpc.aio.Channel, service: str) -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=5)
    return int(answer.status)


async def test_it_tells_alive_from_serving(starting: Probe, plain: grpc.aio.Channel) -> None:
    assert [await health(plain, name) for name in ("", "alive")] == [NOT_SERVING, SERVING]
    await starting.server.serve(starting.service())
    assert [await health(plain, name) for name in ("", "alive", SERVICE)] == [SERVING] * 3


async def test_it_is_there_until_the_last_call_is_done(
    starting: Probe, plain: grpc.aio.Channel
) -> None:
    await starting.server.serve(starting.service())
    stub = stubs.ProbeServiceStub(await starting.internal("edge"))
    working = asyncio.ensure_future(stub.Act(pb.ActRequest(text="wait")))
    await starting.servicer.entered.wait()
    watched = health_pb2_grpc.HealthStub(plain).Watch(health_pb2.HealthCheckRequest())
    assert (await watched.read()).status == SERVING
    stopping = asyncio.ensure_future(starting.server.stop(10))
    assert (await watched.read()).status == NOT_SERVING
    assert await health(plain, "alive") == SERVING
    starting.servicer.release.set()
    await asyncio.gather(working, stopping)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health(plain, "alive")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_it_answers_while_the_process_takes_no_more_calls(
    starting: Probe, plain: grpc.aio.Channel
) -> None:
    await starting.server.serve(starting.service())
    stub = stubs.ProbeServiceStub(await starting.internal("edge"))
    working = asyncio.ensure_future(stub.Act(pb.ActRequest(text="wait")))
    await starting.servicer.entered.wait()
    assert starting.server.calls_in_flight == 1  # as many as it takes
    assert await asyncio.gather(
        *(health(plain, "alive") for _ in range(PROBES_IN_FLIGHT_MAX // 2))
    ) == [SERVING] * (PROBES_IN_FLIGHT_MAX // 2)
    starting.servicer.release.set()
    await working


async def test_it_knows_nothing_but_health(starting: Probe, plain: grpc.aio.Channel) -> None:
    await starting.server.serve(starting.service())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health(plain, "nobody")
    assert only_error_info(caught.value).reason == "SERVICE_UNKNOWN"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stubs.ProbeServiceStub(plain).ActForAnyone(pb.ActRequest(text="x"), timeout=5)
    assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNIMPLEMENTED)
