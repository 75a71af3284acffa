"""SendMessages: a stream of many, each with its own outcome, however the stream ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.edge.v1 import edge_service_pb2 as pb
from services.ends.edge.domain import Outcome, Outgoing
from services.ends.edge.servicer import FRAMES_IN_FLIGHT_MAX, EdgeServicer
from services.kit import traces
from services.kit.access import Caller, CallerKind, set_current_caller
from services.kit.errors import Refusal
from services.kit.logs import JsonFormatter
from tests.ends.edge.house import House, direct
from tests.ends.edge.test_send_message import opened
from tests.ends.fakes.policy import BLOCKED_WORD
from tests.ends.fakes.troubles import away
from tests.ends.handset import Handset
from tests.fixtures.waiting import eventually


def frame(*messages: pb.OutgoingMessage) -> pb.SendMessagesRequest:
    return pb.SendMessagesRequest(messages=messages)


async def read_to_the_end(stream: Any) -> None:
    while await stream.read() is not None:
        pass


async def all_outcomes(stub: Any, *frames: pb.SendMessagesRequest) -> dict[str, pb.SendOutcome]:
    """Everything a stream says to these frames, by message_id."""
    outcomes: dict[str, pb.SendOutcome] = {}
    async with stub.SendMessages() as stream:

        async def write() -> None:
            for one in frames:
                await stream.write(one)
            await stream.done_writing()

        writing = asyncio.ensure_future(write())
        while (response := await stream.read()) is not None:
            outcomes.update({outcome.message_id: outcome for outcome in response.outcomes})
        await writing
    return outcomes


async def test_every_message_of_every_frame_has_its_outcome(
    house: House, townsman: Handset
) -> None:
    business_id = str(uuid4())
    messages = [direct(townsman, f"{number}") for number in range(90)]
    frames = [frame(*messages[start : start + 3]) for start in range(0, 90, 3)]
    outcomes = await all_outcomes(await house.business(business_id), *frames)
    assert outcomes.keys() == {message.message_id for message in messages}
    assert all(outcome.HasField("accepted") for outcome in outcomes.values())
    assert sorted(opened(house, townsman, business_id), key=int) == [f"{n}" for n in range(90)]
    assert house.town.identity.troubles.calls["ClaimKeyBundles"] == 1


async def test_one_bad_message_fails_no_other(house: House, townsman: Handset) -> None:
    good = direct(townsman, "good")
    bad = {
        "not a uuid": direct(townsman, "text", message_id="not a uuid"),
        "empty": direct(townsman, " "),
        "number": direct(townsman, "text", phone_number="+963000"),
        "blocked": direct(townsman, f"a {BLOCKED_WORD}"),
    }
    outcomes = await all_outcomes(await house.business(), frame(*bad.values(), good))
    assert {
        name: outcomes[message.message_id].WhichOneof("outcome") for name, message in bad.items()
    } == {"not a uuid": "refusal", "empty": "refusal", "number": "refusal", "blocked": "blocked"}
    assert [
        outcomes[bad[name].message_id].refusal.reason for name in ("not a uuid", "empty", "number")
    ] == ["INVALID_FIELD", "TEXT_EMPTY", "UNKNOWN_PERSON"]
    assert outcomes[good.message_id].HasField("accepted")


async def test_a_peer_that_is_away_is_the_outcome_of_its_messages_not_the_end_of_the_stream(
    house: House, townsman: Handset
) -> None:
    stub = await house.business()
    message = direct(townsman, "text")
    async with stub.SendMessages() as stream:
        house.town.policy.troubles.refusals["ScreenMessages"] = away()
        await stream.write(frame(message))
        [outcome] = (await stream.read()).outcomes
        assert outcome.refusal.reason == "DEPENDENCY_UNAVAILABLE"
        house.town.policy.troubles.refusals.clear()
        await stream.write(frame(message))
        [outcome] = (await stream.read()).outcomes
        assert outcome.HasField("accepted")


@pytest.mark.parametrize("count", [0, 257])
async def test_a_frame_of_the_wrong_size_ends_the_stream(
    house: House, townsman: Handset, count: int
) -> None:
    with pytest.raises(Refusal) as refused:
        await all_outcomes(await house.business(), frame(*[direct(townsman, "x")] * count))
    assert refused.value.reason.name == "INVALID_FIELD"


async def test_no_more_frames_are_taken_than_answers_are_read() -> None:
    """A program that writes and never reads must not fill the memory of the edge."""
    taken = written = 0
    may_write = asyncio.Event()

    async def send(messages: Sequence[Outgoing]) -> list[Outcome | Exception]:
        return [away() for _ in messages]

    async def requests() -> AsyncIterator[pb.SendMessagesRequest]:
        nonlocal taken
        for _ in range(5 * FRAMES_IN_FLIGHT_MAX):
            taken += 1
            yield frame(pb.OutgoingMessage())

    class Context:
        async def write(self, response: pb.SendMessagesResponse) -> None:
            nonlocal written
            await may_write.wait()
            written += len(response.outcomes)

    async def ensure_account(business_id: str) -> None:
        pass

    set_current_caller(Caller(CallerKind.BUSINESS, business_id=uuid4()))
    servicer: Any = EdgeServicer(send, None, None, None, ensure_account)  # type: ignore[arg-type]
    serving = asyncio.ensure_future(servicer.SendMessages(requests(), Context()))
    await asyncio.wait([serving], timeout=0.05)
    assert taken == FRAMES_IN_FLIGHT_MAX + 1
    may_write.set()
    await serving
    assert written == taken == 5 * FRAMES_IN_FLIGHT_MAX


async def test_a_fault_is_told_under_the_message_and_the_trace_it_happened_to(
    spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """By either call, though the error is one that its whole batch has met."""
    with pytest.raises(RuntimeError) as failed, traces.step("send", [(uuid4(), uuid4())]):
        raise RuntimeError("nobody foresaw this")

    async def send(messages: Sequence[Outgoing]) -> list[Outcome | Exception]:
        return [failed.value for _ in messages]

    async def ensure_account(business_id: str) -> None:
        pass

    business_id = uuid4()
    set_current_caller(Caller(CallerKind.BUSINESS, business_id=business_id))
    servicer: Any = EdgeServicer(send, None, None, None, ensure_account)  # type: ignore[arg-type]
    message = pb.OutgoingMessage(
        message_id=str(uuid4()),
        phone_number="+963944100000",
        kind=clearance_pb2.KIND_DIRECT,
        category=clearance_pb2.CATEGORY_UTILITY,
        content=content_pb2.Content(text=content_pb2.Text(body="a text")),
    )
    with pytest.raises(Refusal, match="INTERNAL"):
        await servicer.SendMessage(pb.SendMessageRequest(message=message), None)
    response = await servicer._send_frame(frame(message), str(business_id))
    assert response.outcomes[0].refusal.reason == "INTERNAL"

    headers = traces.headers((business_id, message.message_id), "send")
    for record in caplog.records:
        line = json.loads(JsonFormatter("edge").format(record))
        assert line["message"] == "a message could not be sent"
        assert line["message_id"] == message.message_id
        assert line.items() >= traces.log_ids_in(headers).items()
    assert len(caplog.records) == 2


async def test_a_client_that_leaves_in_the_middle_can_send_the_same_again(
    house: House, townsman: Handset
) -> None:
    business_id = str(uuid4())
    stub = await house.business(business_id)
    messages = [direct(townsman, f"{number}") for number in range(20)]
    house.town.messaging.may_accept.clear()
    async with stub.SendMessages() as stream:
        await stream.write(frame(*messages[:10]))
        await stream.write(frame(*messages[10:]))
        await eventually(lambda: bool(house.town.messaging.batches))
    house.town.messaging.may_accept.set()
    outcomes = await all_outcomes(stub, frame(*messages))
    assert all(outcome.HasField("accepted") for outcome in outcomes.values())
    assert sorted(opened(house, townsman, business_id), key=int) == [f"{n}" for n in range(20)]


@pytest.mark.parametrize("reading", [True, False])
async def test_a_server_that_stops_says_so(house: House, townsman: Handset, reading: bool) -> None:
    """Also to a program that has not read its answers."""
    stream = (await house.business()).SendMessages()
    await stream.write(frame(direct(townsman, "text")))
    if reading:
        await stream.read()
    else:
        await house.town.messaging.until(lambda: house.town.messaging.accepted)
    await house.server.stop(5)
    with pytest.raises(Refusal) as refused:
        await read_to_the_end(stream)
    assert refused.value.reason.name == "STREAM_MOVED"


async def test_a_token_that_ends_ends_the_stream(house: House, townsman: Handset) -> None:
    stream = (await house.business(lifetime_seconds=1)).SendMessages()
    await stream.write(frame(direct(townsman, "text")))
    assert (await stream.read()).outcomes[0].HasField("accepted")
    with pytest.raises(Refusal) as refused:
        await stream.read()
    assert refused.value.reason.name == "TOKEN_EXPIRED"
