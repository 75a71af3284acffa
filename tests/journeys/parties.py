"""Businesses and people for journeys, each new, so that journeys can share a platform."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from hudhud.clearance.v1 import clearance_pb2
from hudhud.edge.v1 import edge_service_pb2
from hudhud.messaging.v1 import message_pb2
from services.ends.device.device import Device
from services.ends.device.registration import register
from services.ends.device.store import Message
from services.local.demonstration.rates import CURRENCY_CODE, rates
from services.local.parties import (
    MICROS,
    Business,
    Doors,
    Operator,
    open_phone,
    template_message,
    text_message,
)
from services.local.platform import LocalPlatform

PATIENCE_SECONDS = 30.0
RECEIPT_BODY = (
    "Dear {{name}}, we received your payment of {{amount}} for order {{order}}. Thank you."
)
RECEIPT_PARAMETERS = {"name": "Nour", "amount": "18.90 USD", "order": "77120"}
ADVERTISEMENT = (
    "Huge weekend sale! 60% off all shoes and bags, free delivery, today only. Shop now before it "
    "is gone!"
)
_numbers = itertools.count(1)


class Person:
    """A person with one device, and everything that arrived on it."""

    def __init__(self, phone_number: str, device: Device) -> None:
        self.phone_number = phone_number
        self.device = device
        self._arrived: asyncio.Queue[Message] = asyncio.Queue()
        self.arrived_count = 0

    async def read(self) -> None:
        """Keeps what arrives."""
        async for message in self.device.messages():
            self._arrived.put_nowait(message)
            self.arrived_count += 1

    async def next_message(self) -> Message:
        """The next one that arrives."""
        return await asyncio.wait_for(self._arrived.get(), PATIENCE_SECONDS)

    def take_all(self) -> list[Message]:
        """Everything that has arrived and was not taken."""
        return [self._arrived.get_nowait() for _ in range(self._arrived.qsize())]

    @property
    def has_more(self) -> bool:
        """Whether something arrived that nobody asked for."""
        return not self._arrived.empty()


class Parties:
    """Makes the parties of one journey and sends them home at its end."""

    def __init__(self, platform: LocalPlatform, stack: AsyncExitStack) -> None:
        self.doors = Doors(platform.state)
        self._stack = stack
        self.operator = Operator(self.doors)

    async def begin(self) -> None:
        """The operator comes first."""
        await self._stack.enter_async_context(self.operator)
        await self.operator.ensure_rates(rates())

    async def business(
        self,
        name: str = "Shop",
        *,
        credit_micros: int = 100 * MICROS,
        with_receipt: bool = True,
        currency_code: str = CURRENCY_CODE,
    ) -> Business:
        """A new business with money and, if wanted, a template named receipt."""
        business_id, api_key = await self.operator.register_business(
            name, {"ar": "متجر"}, credit_micros=credit_micros, currency_code=currency_code
        )
        business = await self._stack.enter_async_context(
            Business(self.doors, name, business_id, api_key)
        )
        await business.connect()
        if with_receipt:
            await business.submit_template(
                "receipt",
                "en",
                clearance_pb2.CATEGORY_UTILITY,
                RECEIPT_BODY,
                RECEIPT_PARAMETERS,
            )
        return business

    async def person(self, *, attached: bool = True) -> Person:
        """A new person with a registered device."""
        number = f"+96394{next(_numbers) + 4_000_000:07}"
        device = await open_phone(self.doors, number)
        person = Person(number, device)
        if attached:
            await self.attach(person)
        return person

    async def second_device(self, person: Person) -> Person:
        """Another device of the same person, attached."""
        platform = self.doors.platform()
        folder = self.doors.state / "phones" / f"{person.phone_number}-second"

        async def read_code() -> str:
            return await self.doors.read_code(person.phone_number)

        await register(platform, folder, person.phone_number, read_code)
        second = Person(person.phone_number, Device(platform, folder))
        await self.attach(second)
        return second

    async def attach(self, person: Person) -> None:
        """Switches a person's device on."""
        await self._stack.enter_async_context(person.device)
        self.background(person.read())

    def background(self, work: Any) -> None:
        """Runs until the end of the journey."""
        task = asyncio.get_running_loop().create_task(work)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(end)


def receipt(phone_number: str, **parameters: str) -> edge_service_pb2.OutgoingMessage:
    """A receipt from the template, with other parameters where given."""
    return template_message(phone_number, "receipt", "en", RECEIPT_PARAMETERS | parameters)


def direct(
    phone_number: str,
    text: str,
    category: clearance_pb2.Category = clearance_pb2.CATEGORY_UTILITY,
) -> edge_service_pb2.OutgoingMessage:
    """A direct message."""
    return text_message(phone_number, text, kind=clearance_pb2.KIND_DIRECT, category=category)


def reply(phone_number: str, text: str) -> edge_service_pb2.OutgoingMessage:
    """A reply."""
    return text_message(phone_number, text, kind=clearance_pb2.KIND_REPLY)


async def wait_for_event(
    business: Business, wanted: Callable[[edge_service_pb2.Event], bool]
) -> edge_service_pb2.Event:
    """The first of all of a business's events that is wanted."""

    async def find() -> edge_service_pb2.Event:
        async for event in business.events():
            if wanted(event):
                return event
        raise AssertionError("events do not end")

    return await asyncio.wait_for(find(), PATIENCE_SECONDS)


def is_state(message_id: str, state: message_pb2.MessageState) -> Any:
    """Whether an event says that a message came to a state."""
    return lambda event: (
        event.status_changed.message_id == message_id and event.status_changed.state == state
    )


def is_received(message_id: str) -> Any:
    """Whether an event says that this message of a person came."""
    return lambda event: event.message_received.message_id == message_id


async def wait_for_delivery(business: Business, message_id: str) -> None:
    """Returns once the business was told that a message was delivered."""
    await wait_for_event(business, is_state(message_id, message_pb2.MESSAGE_STATE_DELIVERED))


async def spent_micros(business: Business, credit_micros: int = 100 * MICROS) -> int:
    """What a business was charged, once nothing is reserved any more."""

    async def settle() -> int:
        while True:
            account = await business.account()
            if account.reserved.amount_micros == 0:
                return credit_micros - int(account.available.amount_micros)
            await asyncio.sleep(0.05)

    return await asyncio.wait_for(settle(), PATIENCE_SECONDS)
