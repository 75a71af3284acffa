"""Calls to a peer: deadlines, retries, tokens, and what a failure means to the caller."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import grpc
import pytest

from services.kit import calls
from services.kit.client import PeerFault, connect
from services.kit.errors import CommonReasons, Refusal
from services.kit.server import Server
from services.kit.token_source import TokenSource
from services.local.certificates import Authority
from tests.kit.probe import (
    ACCESS,
    SERVICE,
    Probe,
    ProbeReasons,
    ProbeServicer,
    pb,
    running_probe,
    settings,
    stubs,
    tls,
)


async def refusal_of(call: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value


class SilentPeer:
    """Takes connections and says nothing, as one that has too much to do."""

    def __init__(self) -> None:
        self.address = ""
        self.count = 0
        self.begun_again = asyncio.Event()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count += 1
        if self.count > 1:
            self.begun_again.set()
        with suppress(OSError):
            await reader.read(-1)
        writer.close()


@asynccontextmanager
async def silent_peer() -> AsyncIterator[SilentPeer]:
    peer = SilentPeer()
    server = await asyncio.start_server(peer.accept, "127.0.0.1", 0)
    peer.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield peer
    finally:
        server.close()


async def test_a_peer_that_is_not_there_is_unavailable(authority: Authority) -> None:
    async with connect(
        "127.0.0.1:1", name="nobody", tls=tls(authority, "edge"), timeout_seconds=0.3
    ) as channel:
        refusal = await refusal_of(stubs.ProbeServiceStub(channel).Act(pb.ActRequest(text="x")))
    assert refusal.has(CommonReasons.DEPENDENCY_UNAVAILABLE)
    assert refusal.metadata == {"peer": "nobody"}
    assert refusal.retry_after_seconds == 1
    async with connect(
        "127.0.0.1:1", name="nobody", tls=tls(authority, "edge"), wait_for_ready=False
    ) as channel:
        refusal = await refusal_of(stubs.ProbeServiceStub(channel).Act(pb.ActRequest(text="x")))
    assert refusal.has(CommonReasons.DEPENDENCY_UNAVAILABLE)


async def test_a_call_waits_for_a_peer_that_restarts(authority: Authority) -> None:
    async with running_probe(authority) as probe:
        address = str(probe.server.internal_address)
        channel = connect(address, name="probe", tls=tls(authority, "edge"), timeout_seconds=20)
        stub = stubs.ProbeServiceStub(channel)
        assert (await stub.Act(pb.ActRequest(text="before"))).text == "before"
        await probe.server.stop(0)
        call = asyncio.ensure_future(stub.Act(pb.ActRequest(text="after")))
        again = Server(settings(authority, internal_listen=address), access=ACCESS)
        await again.start()
        await again.serve(probe.service())
        assert (await call).text == "after"
        await channel.close()
        await again.stop(0)


class AddressBook(asyncio.DatagramProtocol):
    """A DNS server that knows one IPv4 address, whatever it is asked (RFC 1035, section 4)."""

    def __init__(self, address: str) -> None:
        self.address = address

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, sender: Any) -> None:
        end_of_name = data.index(0, 12) + 1
        question = data[12 : end_of_name + 4]
        answers = []
        if data[end_of_name : end_of_name + 2] == b"\0\1":  # A, and no AAAA
            # The name is the question's; of type A and class IN, for a second, four bytes.
            place = bytes(map(int, self.address.split(".")))
            answers.append(bytes.fromhex("c00c 0001 0001 00000001 0004") + place)
        header = struct.pack(">2sHHHHH", data[:2], 0x8580, 1, len(answers), 0, 0)
        self._transport.sendto(header + question + b"".join(answers), sender)


async def test_a_peer_is_found_again_at_another_address(authority: Authority) -> None:
    """As a pod is that took another's place: within the patience of a caller."""
    loop = asyncio.get_running_loop()
    transport, book = await loop.create_datagram_endpoint(
        lambda: AddressBook("127.0.0.1"), local_addr=("127.0.0.1", 0)
    )
    dns = transport.get_extra_info("sockname")[1]
    async with running_probe(authority) as probe:
        address = probe.server.internal_address
        assert address is not None
        port = str(address).rpartition(":")[2]
        channel = connect(
            f"dns://127.0.0.1:{dns}/probe.hudhud:{port}",
            name="probe",
            tls=tls(authority, "edge"),
            timeout_seconds=20,
            host_name="localhost",
        )
        stub = stubs.ProbeServiceStub(channel)
        assert (await stub.Act(pb.ActRequest(text="before"))).text == "before"
        again = Server(settings(authority, internal_listen=f"127.0.0.2:{port}"), access=ACCESS)
        await again.start()
        await again.serve(probe.service())
        book.address = "127.0.0.2"
        await probe.server.stop(0)
        assert (await stub.Act(pb.ActRequest(text="after"))).text == "after"
        await channel.close()
        await again.stop(0)
    transport.close()


async def test_a_client_from_outside_has_patience_with_a_busy_service(authority: Authority) -> None:
    async with silent_peer() as from_outside, silent_peer() as from_service:
        authority_pem = authority.certificate_file.read_bytes()
        channels = [
            connect(from_outside.address, name="busy", tls=authority_pem),
            connect(from_service.address, name="busy", tls=tls(authority, "edge")),
        ]
        calls = [
            asyncio.ensure_future(stubs.ProbeServiceStub(channel).Act(pb.ActRequest(text="x")))
            for channel in channels
        ]
        async with asyncio.timeout(30):
            await from_service.begun_again.wait()
        assert from_outside.count == 1
        for channel in channels:
            await channel.close()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_a_peer_that_another_authority_vouches_for_is_not_trusted(
    probe: Probe, tmp_path: Any
) -> None:
    stranger = Authority(tmp_path / "stranger")
    async with connect(
        str(probe.server.internal_address),
        name="probe",
        tls=tls(stranger, "edge"),
        wait_for_ready=False,
    ) as channel:
        refusal = await refusal_of(stubs.ProbeServiceStub(channel).Act(pb.ActRequest(text="x")))
    assert refusal.has(CommonReasons.DEPENDENCY_UNAVAILABLE)


async def test_retried_methods_are_repeated_while_the_peer_is_unavailable(
    authority: Authority,
) -> None:
    class Unsteady(ProbeServicer):
        calls = 0

        async def Act(self, request: Any, context: Any) -> Any:
            self.calls += 1
            if self.calls % 3:
                raise Refusal(CommonReasons.DEPENDENCY_UNAVAILABLE)
            return await super().Act(request, context)

    async with running_probe(authority, servicer=Unsteady()) as probe:
        for retried, succeeds in (((), False), ((f"{SERVICE}/Act",), True), ((SERVICE,), True)):
            probe.servicer.calls = 0
            async with connect(
                str(probe.server.internal_address),
                name="probe",
                tls=tls(authority, "edge"),
                retried=retried,
            ) as channel:
                call = stubs.ProbeServiceStub(channel).Act(pb.ActRequest(text="x"))
                if succeeds:
                    assert (await call).text == "x"
                else:
                    assert (await refusal_of(call)).has(CommonReasons.DEPENDENCY_UNAVAILABLE)
            assert probe.servicer.calls == (3 if succeeds else 1)


async def test_between_services_our_own_mistakes_are_faults(probe: Probe) -> None:
    edge = stubs.ProbeServiceStub(await probe.internal("edge"))
    with pytest.raises(PeerFault, match=r"probe refused our .*Act: INVALID_FIELD: text"):
        await edge.Act(pb.ActRequest())
    assert (await refusal_of(edge.Act(pb.ActRequest(text="refuse")))).has(ProbeReasons.REFUSED)


async def test_a_callee_tells_whom_it_waited_for(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "DEADLINE_MARGIN_SECONDS", 60.0)  # half of the deadline

    class Relaying(ProbeServicer):
        peer: Any = None

        async def Act(self, request: Any, context: Any) -> Any:
            if request.text != "relay":
                return await super().Act(request, context)
            return await self.peer.Act(pb.ActRequest(text="wait"), timeout=30)

    async with running_probe(authority, servicer=Relaying()) as probe:
        edge = stubs.ProbeServiceStub(await probe.internal("edge"))
        probe.servicer.peer = edge
        refusal = await refusal_of(edge.Act(pb.ActRequest(text="relay"), timeout=1))
    assert refusal.has(CommonReasons.DEADLINE_EXCEEDED)
    assert "waiting for probe (Act)" in refusal.message


async def test_what_the_peer_said_counts_though_it_is_going_away(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "DEADLINE_MARGIN_SECONDS", 60.0)  # half of the deadline
    edge = stubs.ProbeServiceStub(await probe.internal("edge"))
    waiting = asyncio.ensure_future(edge.Act(pb.ActRequest(text="wait"), timeout=1))
    await probe.servicer.entered.wait()
    stopping = asyncio.ensure_future(probe.server.stop(5))
    assert (await refusal_of(waiting)).has(CommonReasons.DEADLINE_EXCEEDED)
    await stopping


async def test_a_token_is_fetched_sent_and_replaced_when_it_was_refused(
    authority: Authority,
) -> None:
    async with running_probe(authority) as probe:
        given: list[str] = []

        async def exchange() -> Any:
            # The first token is one that nobody can verify.
            given.append("bad" if not given else probe.token())
            return given[-1], probe.clock.now() + timedelta(seconds=900)

        async with connect(
            str(probe.server.public_address),
            name="probe",
            tls=authority.certificate_file.read_bytes(),
            token=TokenSource(exchange, clock=probe.clock),
        ) as channel:
            stub = stubs.ProbeServiceStub(channel)
            assert (await stub.Act(pb.ActRequest(text="one"))).text == "one"
            assert (await stub.Act(pb.ActRequest(text="two"))).text == "two"
            assert len(given) == 2
            async with stub.Converse() as stream:
                await stream.write(pb.ActRequest(text="three"))
                assert (await stream.read()).text == "three"
            assert len(given) == 2


async def test_who_reads_and_who_writes_first_share_one_stream(authority: Authority) -> None:
    async with running_probe(authority) as probe:

        async def exchange() -> Any:
            await asyncio.sleep(0)  # As a call to identity would, it lets others run.
            return probe.token(), probe.clock.now() + timedelta(seconds=900)

        async with connect(
            str(probe.server.public_address),
            name="probe",
            tls=authority.certificate_file.read_bytes(),
            token=TokenSource(exchange, clock=probe.clock),
        ) as channel:
            stream = stubs.ProbeServiceStub(channel).Converse()
            reading = asyncio.ensure_future(stream.read())
            await stream.write(pb.ActRequest(text="hello"))
            assert (await asyncio.wait_for(reading, 10)).text == "hello"
            stream.cancel()


async def test_the_reason_of_a_stream_comes_also_while_writing(probe: Probe) -> None:
    edge = stubs.ProbeServiceStub(await probe.internal("edge"))

    async def converse() -> None:
        async with edge.Converse() as stream:
            while True:
                await stream.write(pb.ActRequest(text="refuse"))

    for _ in range(10):
        assert (await refusal_of(converse())).has(ProbeReasons.REFUSED)
    stream = edge.Converse()
    await stream.write(pb.ActRequest(text="refuse"))
    assert (await refusal_of(stream.read())).has(ProbeReasons.REFUSED)
    assert (await refusal_of(stream.write(pb.ActRequest(text="more")))).has(ProbeReasons.REFUSED)


async def test_writing_after_the_end_is_said_to_be_that(authority: Authority) -> None:
    class Brief(ProbeServicer):
        async def Converse(self, requests: Any, context: Any) -> Any:
            yield pb.ActResponse(text="bye")

    async with running_probe(authority, servicer=Brief()) as probe:
        stub = stubs.ProbeServiceStub(await probe.internal("edge"))
        async with stub.Converse() as stream:
            assert [frame.text async for frame in stream] == ["bye"]
            with pytest.raises(EOFError):
                await stream.write(pb.ActRequest(text="more"))


async def test_a_stream_that_is_left_is_cancelled_at_the_peer(probe: Probe) -> None:
    edge = stubs.ProbeServiceStub(await probe.internal("edge"))
    async with edge.Count(pb.CountRequest(count=11)) as stream:
        for _ in range(11):
            await stream.read()
        await probe.servicer.entered.wait()
    await asyncio.wait_for(probe.servicer.cancelled.wait(), 5)


async def test_a_failure_of_the_transport_keeps_its_own_name(probe: Probe) -> None:
    edge = stubs.ProbeServiceStub(await probe.internal("edge"))
    too_long = pb.ActRequest(text="x" * (33 * 1024 * 1024))
    refusal = await refusal_of(edge.Act(too_long, timeout=20))
    assert refusal.reason.status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refusal.reason.domain == "grpc"
