"""Who sends and who receives in the benchmark, and what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import product
from typing import Final

from hudhud.clearance.v1 import clearance_pb2
from hudhud.edge.v1 import edge_service_pb2
from services.ends.device.device import Device
from services.local.demonstration.rates import CURRENCY_CODE, rates
from services.local.demonstration.texts import RECEIPT
from services.local.parties import (
    MICROS,
    Business,
    Doors,
    Operator,
    open_phone,
    template_message,
    text_message,
)

PEOPLE: Final = 20

_NAMES: Final = ("Layla", "Omar", "Sara", "Yusuf", "Nadia", "Karim", "Huda", "Samir")
_THINGS: Final = ("parcel", "passport", "laptop", "refund", "ticket", "prescription", "invoice")
_WAYS: Final = ("was registered", "was confirmed", "was received", "is being prepared", "is ready")
_PLACES: Final = ("at our Aleppo office", "at gate four", "in your account", "at the north desk")


@asynccontextmanager
async def sending_businesses(doors: Doors, count: int = 1) -> AsyncIterator[list[Business]]:
    """Businesses with a template and money."""
    async with AsyncExitStack() as stack:
        operator = await stack.enter_async_context(Operator(doors))
        await operator.ensure_rates(rates())
        businesses = []
        for number in range(count):
            name = f"Benchmark {number}"
            business_id, api_key = await operator.register_business(
                name, {}, credit_micros=1_000_000 * MICROS, currency_code=CURRENCY_CODE
            )
            business = await stack.enter_async_context(Business(doors, name, business_id, api_key))
            await business.submit_template(
                RECEIPT.name,
                RECEIPT.language_code,
                clearance_pb2.CATEGORY_UTILITY,
                RECEIPT.body,
                RECEIPT.parameters,
            )
            businesses.append(business)
        yield businesses


async def open_phones(doors: Doors, business: Business) -> list[Device]:
    """People's devices, not attached yet; the business has begun its sessions with them."""
    phones = [await open_phone(doors, phone_number(number)) for number in range(PEOPLE)]
    for number in range(PEOPLE):
        await business.send(message(number, 0))
    return phones


def phone_number(number: int) -> str:
    """The number of one of the people."""
    return f"+96394410{number:04}"


def message(person: int, order: int) -> edge_service_pb2.OutgoingMessage:
    """A receipt with parameters of its own."""
    parameters = {"name": "ليلى", "amount": f"{75_000 + order:,} ل.س", "order": str(48_000 + order)}
    return template_message(phone_number(person), RECEIPT.name, RECEIPT.language_code, parameters)


def unlike_messages() -> Iterator[edge_service_pb2.OutgoingMessage]:
    """Messages in free words, no two of which the classifier reads as one."""
    for number, (thing, way, place, name) in enumerate(product(_THINGS, _WAYS, _PLACES, _NAMES)):
        yield text_message(
            phone_number(number % PEOPLE),
            f"Hello {name}, your {thing} {way} {place}. Please bring an identity card.",
            kind=clearance_pb2.KIND_DIRECT,
            category=clearance_pb2.CATEGORY_UTILITY,
        )
