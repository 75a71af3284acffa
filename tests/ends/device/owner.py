"""Somebody who holds a device that is switched on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hudhud.content.v1 import content_pb2
from hudhud.messaging.v1 import message_pb2
from services.ends.device.device import Device
from services.ends.device.store import Message
from tests.ends.fakes.town import Town


class Owner:
    """Reads what the device shows."""

    def __init__(self, device: Device, town: Town) -> None:
        self.device = device
        self.on = True
        self.end_id = device.registration.device_id
        [self.person] = [
            person for person in town.identity.people.values() if self.end_id in person.devices
        ]
        self.town = town
        self._messages = device.messages()

    async def next(self) -> Message:
        """The next message that arrives."""
        reading = asyncio.ensure_future(anext(self._messages))
        await self.until(reading.done)
        return reading.result()

    async def next_text(self) -> str:
        """What it says."""
        return text_of(await self.next())

    async def get(self, *envelopes: message_pb2.Envelope) -> list[str]:
        """Messaging delivers these; the reason of each one's ack, or "" for delivered."""
        acks = self.town.messaging.acks
        before = len(acks)
        for envelope in envelopes:
            await self.town.messaging.put(self.end_id, envelope)
        await self.until(lambda: len(acks) >= before + len(envelopes))
        return [ack.refusal_reason for _, ack in acks[before:]]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Time goes by until a condition holds."""
        async with asyncio.timeout(20):
            while not condition():
                self.town.clock.advance(0.1)
                await asyncio.sleep(0.01)

    async def switch_off(self) -> None:
        """What is in memory is gone, and nothing more is written."""
        self.on = False
        await self._messages.aclose()  # type: ignore[attr-defined]
        await self.device.__aexit__()

    @property
    def texts(self) -> list[str]:
        """Everything that is stored and came in."""
        return [text_of(message) for message in self.device.history() if message.incoming]


def text_of(message: Message) -> str:
    """What a message says."""
    return content_pb2.Content.FromString(message.content).text.body
