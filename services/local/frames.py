"""Many messages on one stream, as a program sends that has many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from hudhud.edge.v1 import edge_service_pb2
from services.local.errors import LocalError
from services.local.parties import Business

FRAME_ITEMS: Final = 256
FRAMES_IN_FLIGHT: Final = 4


def framed(
    messages: Sequence[edge_service_pb2.OutgoingMessage],
) -> list[edge_service_pb2.SendMessagesRequest]:
    """These messages, as many in a frame as it takes."""
    return [
        edge_service_pb2.SendMessagesRequest(messages=messages[first : first + FRAME_ITEMS])
        for first in range(0, len(messages), FRAME_ITEMS)
    ]


async def send_frames(
    business: Business,
    frames: Iterable[edge_service_pb2.SendMessagesRequest],
    answered: Callable[[edge_service_pb2.SendMessagesResponse], None],
) -> None:
    """Sends them all, a few frames ahead of the answers, each of which is given to `answered`."""
    room = asyncio.Semaphore(FRAMES_IN_FLIGHT)
    async with business.send_many() as stream:

        async def write() -> None:
            for frame in frames:
                await room.acquire()
                await stream.write(frame)
            await stream.done_writing()

        async with asyncio.TaskGroup() as writing:
            writing.create_task(write())
            while (response := await stream.read()) is not None:
                room.release()
                answered(response)


async def send_accepted(
    business: Business, frames: Sequence[edge_service_pb2.SendMessagesRequest]
) -> None:
    """The same where every message is to be accepted.

    Raises:
        LocalError: A message was not.
    """
    missing = sum(len(frame.messages) for frame in frames)

    def count(response: edge_service_pb2.SendMessagesResponse) -> None:
        nonlocal missing
        missing -= sum(outcome.HasField("accepted") for outcome in response.outcomes)

    await send_frames(business, frames, count)
    if missing:
        raise LocalError(f"{missing} messages of the stream were not accepted")
