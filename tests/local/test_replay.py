"""A replay sends again what a busy machine left undecided, under the same ids."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import pytest

from hudhud.edge.v1 import edge_service_pb2
from services.local import replay as module
from services.local.parties import Business, Doors
from services.local.replay import Replay

Outgoing = edge_service_pb2.OutgoingMessage


class BusyEdge:
    """Stands where the business's connection stands: decides a message when it comes again."""

    def __init__(self, comings: int) -> None:
        self._comings = comings
        self.came: list[Outgoing] = []
        self._answers: asyncio.Queue[edge_service_pb2.SendMessagesResponse | None] = asyncio.Queue()

    def send_many(self) -> BusyEdge:
        return self

    async def __aenter__(self) -> BusyEdge:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    async def write(self, request: edge_service_pb2.SendMessagesRequest) -> None:
        answer = edge_service_pb2.SendMessagesResponse()
        for message in request.messages:
            self.came.append(message)
            outcome = answer.outcomes.add(message_id=message.message_id)
            if sum(one.message_id == message.message_id for one in self.came) < self._comings:
                outcome.refusal.reason = "DEADLINE_EXCEEDED"
            else:
                outcome.accepted.price.amount_micros = 7
        self._answers.put_nowait(answer)

    async def done_writing(self) -> None:
        self._answers.put_nowait(None)

    async def read(self) -> edge_service_pb2.SendMessagesResponse | None:
        return await self._answers.get()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.0)


async def replayed(edge: BusyEdge, tmp_path: Path) -> Replay:
    file = tmp_path / "messages.jsonl"
    file.write_text("".join(json.dumps({"id": n, "text": f"line {n}"}) + "\n" for n in "ab"))
    doors = cast(Doors, None)
    replay = Replay(doors, file, kind="direct", category="utility", limit=0)
    await replay._send_all(cast(Business, cast(Any, edge)), replay._read())
    return replay


async def test_what_is_undecided_is_sent_again_as_it_was(tmp_path: Path) -> None:
    edge = BusyEdge(comings=2)

    replay = await replayed(edge, tmp_path)

    assert edge.came[:2] == edge.came[2:]
    assert len(edge.came) == 4
    assert replay.charged_micros == 14
    assert not replay.tally.outcomes, "both are on their way"


async def test_what_stays_undecided_is_told_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SENDINGS_MAX", 2)

    replay = await replayed(BusyEdge(comings=9), tmp_path)

    assert replay.tally.reasons == {("refused", "DEADLINE_EXCEEDED"): 2}
