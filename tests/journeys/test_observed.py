"""What is seen from outside: a trace and counts of each message, and nothing that anybody wrote."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.request import urlopen

import asyncpg
import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

from hudhud.identity.v1 import identity_service_pb2
from services.kit.errors import Refusal
from services.local.parties import Business, Caller
from services.local.platform import LocalPlatform
from services.local.ports import any_free_port
from tests.fixtures.platform import RunPlatform
from tests.fixtures.waiting import eventually
from tests.journeys.parties import (
    ADVERTISEMENT,
    Parties,
    direct,
    is_received,
    receipt,
    reply,
    spent_micros,
    wait_for_delivery,
    wait_for_event,
)

SERVICES: Final = ("identity", "policy", "billing", "messaging", "edge")
# In every text that is written here; nobody else writes it.
MARK: Final = "Zyxomarq"
# By these columns people are found; a number stands nowhere else.
NUMBERED: Final = {"identity.people.phone_number", "identity.registrations.phone_number"}
# What a message that arrives goes through, and what each step is a part of.
STEPS: Final = {
    "send": "",
    "screen": "send",
    "judge": "screen",
    "seal": "send",
    "dispatch": "send",
    "accept": "dispatch",
    "reserve": "accept",
    "delivered": "send",
    "capture": "delivered",
}


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OpenTelemetry collector that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.received = b""

    async def Export(self, request: Any, context: Any) -> Any:
        self.received += request.SerializeToString()
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return trace_service_pb2.ExportTraceServiceResponse()

    def steps(self, name: str) -> dict[str, Any]:
        """The spans of what has this id, by their names."""
        return {
            span.name: span
            for span in self.spans
            for attribute in span.attributes
            if attribute.key == "hudhud.id" and attribute.value.string_value == name
        }


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[Collector, str]]:
    server, collector = grpc.aio.server(), Collector()
    add_servicer: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add_servicer(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def test_a_trace_and_counts_of_each_message_and_nothing_that_was_written(
    run_platform: RunPlatform,
) -> None:
    ports = {service: any_free_port() for service in SERVICES}
    async with collecting() as (collector, endpoint):
        overrides = {
            service: {
                "HUDHUD_METRICS_LISTEN": f"127.0.0.1:{port}",
                "HUDHUD_TRACES_ENDPOINT": endpoint,
                "HUDHUD_TRACES_SAMPLED_SHARE": "1",
                "HUDHUD_LOG_LEVEL": "DEBUG",
                "HUDHUD_LOG_FORMAT": "json",
                "OTEL_BSP_SCHEDULE_DELAY": "200",
            }
            for service, port in ports.items()
        }
        async with run_platform(overrides) as platform:
            delivered, failed, numbers, secrets = await _converse(platform)

            async def traced() -> bool:
                return STEPS.keys() <= collector.steps(delivered).keys() and (
                    "accept" in collector.steps(failed)
                )

            await eventually(traced)
            told = {service: await _metrics(port) for service, port in ports.items()}
            rows = [row for service in SERVICES async for row in _values(platform, service)]
            logs = {
                path.stem: path.read_bytes() for path in (platform.state / "logs").glob("*.log")
            }
            events = _bytes_below(platform.state / "nats")
            disk = _bytes_below(platform.state, without=platform.state / "phones")

    steps = collector.steps(delivered)
    assert len({span.trace_id for span in steps.values()}) == 1
    for name, parent in STEPS.items():
        assert steps[name].parent_span_id == (steps[parent].span_id if parent else b""), name

    accepting = collector.steps(failed)["accept"]
    assert accepting.status.code == trace_pb2.Status.STATUS_CODE_ERROR
    [fault] = [line for line in _lines(logs["messaging"]) if line["message"] == "call failed"]
    assert fault["exception"] == "UndefinedTableError"
    assert fault["trace_id"] == accepting.trace_id.hex()
    assert fault["span_id"] == accepting.span_id.hex()

    assert 'hudhud_send_outcomes_total{category="utility",outcome="accepted"} 1.0' in told["edge"]
    assert 'hudhud_send_outcomes_total{category="utility",outcome="blocked"} 1.0' in told["edge"]
    assert 'hudhud_messages_total{category="utility",state="delivered"} 1.0' in told["messaging"]
    assert 'hudhud_messages_total{category="service",state="delivered"} 1.0' in told["messaging"]
    assert "hudhud_delivery_duration_seconds_count 2.0" in told["messaging"]
    assert 'category="utility",language="en",verdict="blocked"} 1.0' in told["policy"]
    assert "hudhud_model_info{version=" in told["policy"]
    assert 'hudhud_batch_items_count{batch="reserve"}' in told["billing"]
    assert "hudhud_outbox_pending_events" in told["messaging"]
    assert "hudhud_reservations_open" in told["billing"]

    seen = {
        "logs": b"".join(logs.values()),
        "traces": collector.received,
        "metrics": "".join(told.values()).encode(),
        "events": events,
    }
    for place, content in seen.items():
        assert content, place
    with_number = set()
    for place, content in (*seen.items(), *rows):
        if any(number.encode() in content for number in numbers):
            with_number.add(place)
        assert MARK.encode() not in content, f"what somebody wrote in {place}"
        for what, secret in secrets.items():
            assert secret.encode() not in content, f"{what} in {place}"
    assert with_number == NUMBERED
    assert MARK.encode() not in disk


class _Conversation(NamedTuple):
    """What there is to be looked for afterwards."""

    delivered: str  # the trace's name of one that arrived
    failed: str  # and of one that met a fault
    numbers: list[str]  # of everybody, without their plus
    secrets: dict[str, str]


async def _converse(platform: LocalPlatform) -> _Conversation:
    """Messages that arrive, that are blocked, malformed, or met by a fault, and an answer."""
    async with AsyncExitStack() as stack:
        parties = Parties(platform, stack)
        await parties.begin()
        shop, person = await parties.business(), await parties.person()
        arriving = receipt(person.phone_number, name=MARK)
        await shop.send(arriving)
        await person.next_message()
        await wait_for_delivery(shop, arriving.message_id)
        blocked = await shop.send(direct(person.phone_number, f"{MARK}! {ADVERTISEMENT}"))
        assert blocked.HasField("blocked")
        stranger = "+963949990001"
        for refused in (
            direct(person.phone_number, f"{MARK} " * 600),
            direct(stranger, f"{MARK}, your table is reserved."),
            direct(f"{person.phone_number}{MARK}", "Your table is reserved."),
            receipt(person.phone_number, nonsense=MARK),
        ):
            with pytest.raises(Refusal):
                await shop.send(refused)
        failing = receipt(person.phone_number, name=MARK)
        async with _without_messages(platform):
            with pytest.raises(Refusal, match="INTERNAL"):
                await shop.send(failing)
        question = await person.device.reply(shop.business_id, f"Is it ready, {MARK}?")
        await wait_for_event(shop, is_received(question))
        answer = reply(person.phone_number, f"Yes, {MARK}, since noon.")
        await shop.send(answer)
        await person.next_message()
        await wait_for_delivery(shop, answer.message_id)
        await spent_micros(shop)
        numbers = [person.phone_number.removeprefix("+"), stranger.removeprefix("+")]
        arrived, failed = (f"{shop.business_id}/{one.message_id}" for one in (arriving, failing))
        secrets = {
            "an API key": (await _another_key(parties, shop)).split("_", 2)[2],
            "the operator's credential": parties.doors.operator_credential(),
            "a device's credential": person.device.registration.credential,
        }
        return _Conversation(arrived, failed, numbers, secrets)


async def _another_key(parties: Parties, shop: Business) -> str:
    """A key of a business, which it has used."""
    made = await shop.identity.CreateApiKey(
        identity_service_pb2.CreateApiKeyRequest(business_id=shop.business_id, label="another")
    )
    async with Caller(parties.doors, made.secret) as caller:
        await caller.identity.GetBusiness(
            identity_service_pb2.GetBusinessRequest(business_id=shop.business_id)
        )
    return str(made.secret)


@asynccontextmanager
async def _without_messages(platform: LocalPlatform) -> AsyncIterator[None]:
    """What nobody foresaw: messaging does not find its table."""
    connection = await asyncpg.connect(platform.database_url("messaging"))
    try:
        await connection.execute("ALTER TABLE messages RENAME TO messages_elsewhere")
        yield
    finally:
        await connection.execute("ALTER TABLE messages_elsewhere RENAME TO messages")
        await connection.close()


def _lines(log: bytes) -> list[dict[str, Any]]:
    """What a service said; the first line is said by whoever starts it."""
    return [json.loads(line) for line in log.splitlines()[1:]]


async def _metrics(port: int) -> str:
    response = await asyncio.to_thread(urlopen, f"http://127.0.0.1:{port}/metrics")
    text: str = response.read().decode()
    return text


async def _values(platform: LocalPlatform, service: str) -> AsyncIterator[tuple[str, bytes]]:
    """Everything that stands in a service's tables: where, and what, text as it is written."""
    connection = await asyncpg.connect(platform.database_url(service))
    try:
        tables = await connection.fetch(
            "SELECT oid::regclass::text FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        for (table,) in tables:
            for row in await connection.fetch(f"SELECT * FROM {table}"):
                for column, value in row.items():
                    content = value if isinstance(value, bytes) else str(value).encode()
                    yield f"{service}.{table}.{column}", content
    finally:
        await connection.close()


def _bytes_below(folder: Path, without: Path | None = None) -> bytes:
    return b"".join(
        path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (without is None or without not in path.parents)
    )
