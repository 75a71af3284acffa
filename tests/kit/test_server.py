"""The two listeners: who gets in, what every failure looks like, and how a process stops."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.kit import calls
from services.kit.access import AccessList, CallerKind
from services.kit.client import PeerFault
from services.kit.errors import CommonReasons, Refusal
from services.kit.server import AddressTaken, Server, Service
from services.local.certificates import Authority
from tests.fixtures.waiting import eventually
from tests.kit.probe import (
    ACCESS,
    BUSINESS_ID,
    DEVICE_ID,
    SERVICE,
    Probe,
    ProbeReasons,
    ProbeServicer,
    bearer,
    only_error_info,
    pb,
    running_probe,
    settings,
    stubs,
)


async def refusal_of(call: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value


# --- Who calls --------------------------------------------------------------------------------


async def test_the_certificate_names_the_calling_service(probe: Probe) -> None:
    edge = stubs.ProbeServiceStub(await probe.internal("edge"))
    assert (await edge.Act(pb.ActRequest(text="hello"))).caller == "service:edge"
    billing = stubs.ProbeServiceStub(await probe.internal("billing"))
    with pytest.raises(PeerFault, match="CALLER_NOT_ALLOWED"):
        await billing.Act(pb.ActRequest(text="hello"))


async def test_without_a_certificate_nobody_enters_the_internal_listener(probe: Probe) -> None:
    async with probe.bare(with_certificate=False) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stubs.ProbeServiceStub(channel).ActForAnyone(pb.ActRequest(text="x"), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_the_token_names_the_calling_business(probe: Probe) -> None:
    stub = stubs.ProbeServiceStub(await probe.public())
    answer = await stub.Act(pb.ActRequest(text="hello"), metadata=bearer(probe.token()))
    assert answer.caller == f"business:{BUSINESS_ID}"


async def test_the_token_names_the_calling_device(probe: Probe) -> None:
    stub = stubs.ProbeServiceStub(await probe.public())
    token = probe.token(CallerKind.DEVICE)
    answer = await stub.ActForDevice(pb.ActRequest(text="hello"), metadata=bearer(token))
    assert answer.caller == f"device:{DEVICE_ID}"
    refusal = await refusal_of(stub.Act(pb.ActRequest(text="hello"), metadata=bearer(token)))
    assert refusal.has(CommonReasons.CALLER_NOT_ALLOWED)


async def test_what_is_wrong_with_a_token_is_said(probe: Probe) -> None:
    stub = stubs.ProbeServiceStub(await probe.public())
    request = pb.ActRequest(text="hello")
    good = probe.token(lifetime_seconds=60)
    assert await stub.Act(request, metadata=bearer(good))
    assert (await refusal_of(stub.Act(request))).has(CommonReasons.TOKEN_MISSING)
    for bad in (bearer(good[:-4] + "AAAA"), bearer(""), (("authorization", good),)):
        refusal = await refusal_of(stub.Act(request, metadata=bad))
        assert refusal.has(CommonReasons.TOKEN_INVALID)
    probe.clock.advance(60)
    refusal = await refusal_of(stub.Act(request, metadata=bearer(good)))
    assert refusal.has(CommonReasons.TOKEN_EXPIRED)


async def test_a_stale_token_does_not_stop_a_call_that_is_open_to_anyone(probe: Probe) -> None:
    stub = stubs.ProbeServiceStub(await probe.public())
    answer = await stub.ActForAnyone(pb.ActRequest(text="hello"), metadata=bearer("stale"))
    assert answer.caller == "anyone"


async def test_a_business_acts_only_for_itself(probe: Probe) -> None:
    stub = stubs.ProbeServiceStub(await probe.public())
    request = pb.ActRequest(text="act for another")
    refusal = await refusal_of(stub.Act(request, metadata=bearer(probe.token())))
    assert refusal.has(CommonReasons.CALLER_NOT_ALLOWED)
    edge = stubs.ProbeServiceStub(await probe.internal("edge"))
    assert (await edge.Act(request)).caller == "service:edge"


async def test_a_server_does_not_serve_what_the_access_file_does_not_list(
    authority: Authority,
) -> None:
    tables: dict[str, Any] = {SERVICE: {"Act": ["business"]}}
    server = Server(settings(authority), access=AccessList.parse(tables))
    service = Service([(stubs.add_ProbeServiceServicer_to_server, ProbeServicer())])
    await server.start()
    try:
        with pytest.raises(ValueError, match=f"{SERVICE}/ActForDevice"):
            await server.serve(service)
    finally:
        await server.stop(0)


# --- How calls fail ---------------------------------------------------------------------------


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of each deadline is kept back, so that a busy machine does not miss it."""
    monkeypatch.setattr(calls, "DEADLINE_MARGIN_SECONDS", 60.0)


async def test_every_failure_has_exactly_one_reason(probe: Probe, patient: None) -> None:
    channel = probe.bare()
    stub = stubs.ProbeServiceStub(channel)
    health = health_pb2_grpc.HealthStub(channel)

    def act(text: str, timeout: float | None = 5) -> Any:
        return stub.Act(pb.ActRequest(text=text), timeout=timeout)

    unparsed: Any = channel.unary_unary(f"/{SERVICE}/Act")
    unknown: Any = channel.unary_unary(f"/{SERVICE}/Nothing")
    failures: list[tuple[Any, str, grpc.StatusCode]] = [
        (act("refuse"), "REFUSED", grpc.StatusCode.FAILED_PRECONDITION),
        (act("refuse in a group"), "REFUSED", grpc.StatusCode.FAILED_PRECONDITION),
        (act("fail"), "INTERNAL", grpc.StatusCode.INTERNAL),
        (act("nothing"), "INTERNAL", grpc.StatusCode.INTERNAL),
        (act("time out by itself"), "INTERNAL", grpc.StatusCode.INTERNAL),
        (act("overload"), "OVERLOADED", grpc.StatusCode.RESOURCE_EXHAUSTED),
        (act(""), "INVALID_FIELD", grpc.StatusCode.INVALID_ARGUMENT),
        (act("hello", timeout=None), "DEADLINE_MISSING", grpc.StatusCode.INVALID_ARGUMENT),
        (act("wait", timeout=1), "DEADLINE_EXCEEDED", grpc.StatusCode.DEADLINE_EXCEEDED),
        (unparsed(b"\xff", timeout=5), "INVALID_ENCODING", grpc.StatusCode.INVALID_ARGUMENT),
        (unknown(b"", timeout=5), "METHOD_UNKNOWN", grpc.StatusCode.UNIMPLEMENTED),
        (
            stub.Forget(pb.ActRequest(text="x"), timeout=5),
            "METHOD_UNKNOWN",
            grpc.StatusCode.UNIMPLEMENTED,
        ),
        (
            stub.ActForDevice(pb.ActRequest(text="x"), timeout=5),
            "CALLER_NOT_ALLOWED",
            grpc.StatusCode.PERMISSION_DENIED,
        ),
        (
            stub.Count(pb.CountRequest(count=-1), timeout=5).read(),
            "INVALID_FIELD",
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
        (
            stub.Converse(iter([pb.ActRequest(text="refuse")]), timeout=5).read(),
            "REFUSED",
            grpc.StatusCode.FAILED_PRECONDITION,
        ),
        (
            stub.Converse(iter([pb.ActRequest(text="")]), timeout=5).read(),
            "INVALID_FIELD",
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
        (
            stub.Collect(iter([pb.ActRequest(text="fail")]), timeout=5),
            "INTERNAL",
            grpc.StatusCode.INTERNAL,
        ),
        (
            health.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=5),
            "SERVICE_UNKNOWN",
            grpc.StatusCode.NOT_FOUND,
        ),
    ]
    for call, reason, code in failures:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert (only_error_info(caught.value).reason, caught.value.code()) == (reason, code)
    assert (await act("hello")).text == "hello"
    await channel.close()


async def test_a_fault_says_nothing_of_the_inside_and_is_found_in_the_log(
    probe: Probe, caplog: pytest.LogCaptureFixture
) -> None:
    edge = stubs.ProbeServiceStub(await probe.internal("edge"))
    refusal = await refusal_of(edge.Act(pb.ActRequest(text="fail")))
    assert refusal.has(CommonReasons.INTERNAL)
    assert "4711" not in str(refusal.to_status())
    record = next(record for record in caplog.records if record.message == "call failed")
    assert str(vars(record)["incident"]) == refusal.metadata["incident"]
    assert record.exc_info is not None


async def test_a_refusal_arrives_whole(probe: Probe) -> None:
    edge = stubs.ProbeServiceStub(await probe.internal("edge"))
    refusal = await refusal_of(edge.Act(pb.ActRequest(text="refuse")))
    assert refusal.has(ProbeReasons.REFUSED)
    assert refusal.metadata == {"key": "value"}
    assert refusal.message == "It was to be refused. Ask nicely."


async def test_violations_name_their_fields(probe: Probe) -> None:
    stub = stubs.ProbeServiceStub(await probe.public())
    token = bearer(probe.token())
    refusal = await refusal_of(stub.Act(pb.ActRequest(text="x" * 4097), metadata=token))
    assert refusal.has(CommonReasons.INVALID_FIELD)
    assert [violation.field for violation in refusal.violations] == ["text"]
    assert (await stub.Act(pb.ActRequest(text="x" * 4096), metadata=token)).text


async def test_a_deadline_ends_the_work_and_is_reported_by_the_callee(
    probe: Probe, patient: None
) -> None:
    edge = stubs.ProbeServiceStub(await probe.internal("edge"))
    refusal = await refusal_of(edge.Act(pb.ActRequest(text="wait"), timeout=1))
    assert refusal.has(CommonReasons.DEADLINE_EXCEEDED)
    # The callee names the method; the caller, left alone, would name the peer.
    assert refusal.metadata == {"method": f"{SERVICE}/Act"}
    await asyncio.wait_for(probe.servicer.cancelled.wait(), 5)


@pytest.mark.parametrize(("remaining", "kept"), [(5.0, 4.98), (0.04, 0.02), (0.01, 0.005)])
def test_twenty_milliseconds_are_kept_back_to_say_so(remaining: float, kept: float) -> None:
    assert calls.seconds_to_work(remaining) == pytest.approx(kept)


async def test_more_calls_than_allowed_are_refused_until_one_ends(authority: Authority) -> None:
    async with running_probe(authority, calls_in_flight_max=1) as probe:
        edge = stubs.ProbeServiceStub(await probe.internal("edge"))
        waiting = asyncio.ensure_future(edge.Act(pb.ActRequest(text="wait")))
        await probe.servicer.entered.wait()
        refusal = await refusal_of(edge.Act(pb.ActRequest(text="hello")))
        assert refusal.has(CommonReasons.OVERLOADED)
        assert refusal.retry_after_seconds == 0.5
        probe.servicer.release.set()
        await waiting
        assert (await edge.Act(pb.ActRequest(text="hello"))).text == "hello"


# --- Streams ----------------------------------------------------------------------------------


async def test_streams_carry_frames_both_ways(probe: Probe) -> None:
    edge = stubs.ProbeServiceStub(await probe.internal("edge"))
    counted = [frame.text async for frame in edge.Count(pb.CountRequest(count=3))]
    assert counted == ["0", "1", "2"]
    async with edge.Converse() as stream:
        for text in ("one", "two"):
            await stream.write(pb.ActRequest(text=text))
            assert (await stream.read()).text == text
        await stream.done_writing()
        assert await stream.read() is None
    collected = await edge.Collect(iter([pb.ActRequest(text="a"), pb.ActRequest(text="b")]))
    assert collected.text == "a+b"


async def test_items_judged_apart_do_not_fail_one_another(probe: Probe) -> None:
    edge = stubs.ProbeServiceStub(await probe.internal("edge"))
    good, bad = pb.ActRequest(text="hello"), pb.ActRequest()
    async with edge.Batch() as stream:
        await stream.write(pb.BatchRequest(items=[good, bad, good]))
        assert list((await stream.read()).outcomes) == ["good", "bad", "good"]
        # The frame's own rules hold nevertheless.
        await stream.write(pb.BatchRequest(items=[good] * 4))
        with pytest.raises(PeerFault, match="items: has 4 elements; at most 3"):
            await stream.read()


async def test_a_stream_ends_with_the_token_that_opened_it(probe: Probe) -> None:
    stub = stubs.ProbeServiceStub(await probe.public())
    probe.clock.advance(0.5)  # tokens count whole seconds: this one is good for half a second
    token = bearer(probe.token(lifetime_seconds=1))
    stream = stub.Count(pb.CountRequest(count=11), metadata=token)
    assert [(await stream.read()).text for _ in range(11)] == [str(n) for n in range(11)]
    assert (await refusal_of(stream.read())).has(CommonReasons.TOKEN_EXPIRED)


# --- Starting, stopping, looking in -----------------------------------------------------------


async def test_health_tells_starting_serving_and_stopping(authority: Authority) -> None:
    async with running_probe(authority, serve=False) as probe:
        channel = await probe.internal("anybody")
        health = health_pb2_grpc.HealthStub(channel)
        everything = health_pb2.HealthCheckRequest()
        named = health_pb2.HealthCheckRequest(service=SERVICE)
        assert (await health.Check(everything)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        stub = stubs.ProbeServiceStub(channel)
        refusal = await refusal_of(stub.ActForAnyone(pb.ActRequest(text="x")))
        assert refusal.has(CommonReasons.STARTING)

        await probe.server.serve(probe.service())
        for request in (everything, named):
            status = (await health.Check(request)).status
            assert status == health_pb2.HealthCheckResponse.SERVING
        assert (await stub.ActForAnyone(pb.ActRequest(text="x"))).text == "x"

        watched = health.Watch(named)
        assert (await watched.read()).status == health_pb2.HealthCheckResponse.SERVING
        stopping = asyncio.ensure_future(probe.server.stop(5))
        assert (await watched.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await stopping


async def test_stopping_finishes_calls_in_flight_and_moves_streams(probe: Probe) -> None:
    edge = stubs.ProbeServiceStub(await probe.internal("edge"))
    stream = edge.Count(pb.CountRequest(count=11))
    for _ in range(11):
        await stream.read()
    waiting = asyncio.ensure_future(edge.Act(pb.ActRequest(text="wait")))
    await eventually(lambda: probe.server.calls_in_flight == 1)
    stopping = asyncio.ensure_future(probe.server.stop(10))
    assert (await refusal_of(stream.read())).has(CommonReasons.STREAM_MOVED)
    assert not waiting.done()
    probe.servicer.release.set()
    assert (await waiting).text == "wait"
    await asyncio.wait_for(stopping, 5)


async def test_stopping_does_not_wait_longer_than_the_grace(probe: Probe) -> None:
    edge = stubs.ProbeServiceStub(await probe.internal("edge"))
    waiting = asyncio.ensure_future(edge.Act(pb.ActRequest(text="wait")))
    await probe.servicer.entered.wait()
    await asyncio.wait_for(probe.server.stop(0.05), 5)
    assert isinstance(await asyncio.gather(waiting, return_exceptions=True), list)
    assert probe.servicer.cancelled.is_set()


async def test_reflection_lists_the_services_on_both_listeners(probe: Probe) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    for channel in (await probe.internal("anybody"), await probe.public()):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        async with stub.ServerReflectionInfo(iter([request])) as stream:
            answer = await stream.read()
        names = {service.name for service in answer.list_services_response.service}
        assert names >= {SERVICE, "grpc.health.v1.Health"}


async def test_a_taken_port_is_named(probe: Probe, authority: Authority) -> None:
    taken = str(probe.server.internal_address)
    server = Server(settings(authority, internal_listen=taken), access=ACCESS)
    with pytest.raises(AddressTaken, match=taken):
        await server.start()
