"""The device's delivery stream, in the device's words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from hudhud.messaging.v1 import messaging_service_pb2
from services.kit.client import Stream

ACKS_AT_A_TIME: Final = 256


class MailboxStream:
    """One delivery stream, as the contract of Attach says. Use as `async with`."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._writing = asyncio.Lock()  # Frames go out one after the other.

    async def __aenter__(self) -> MailboxStream:
        await self._write(start=messaging_service_pb2.AttachStart())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._stream.cancel()

    async def __aiter__(self) -> AsyncIterator[messaging_service_pb2.AttachResponse]:
        """Frames, until messaging ends the stream. Raises Refusal."""
        while (response := await self._stream.read()) is not None:
            yield response

    async def acknowledge(self, acks: Sequence[messaging_service_pb2.Ack]) -> None:
        """What became of envelopes."""
        for start in range(0, len(acks), ACKS_AT_A_TIME):
            some = acks[start : start + ACKS_AT_A_TIME]
            await self._write(acks=messaging_service_pb2.Acks(acks=some))

    async def tell_reads(self, reads: Sequence[tuple[str, str]]) -> None:
        """The person has seen these (business_id, message_id)."""
        receipts = [
            messaging_service_pb2.ReadReceipt(message_id=message_id, business_id=business_id)
            for business_id, message_id in reads
        ]
        await self._write(acks=messaging_service_pb2.Acks(reads=receipts))

    async def _write(self, **frame: Any) -> None:
        async with self._writing:
            await self._stream.write(messaging_service_pb2.AttachRequest(**frame))
