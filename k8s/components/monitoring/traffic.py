"""Some minutes of life on a platform, with what dashboards are for: two rushes, and failures."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import cycle
from typing import Final

from hudhud.clearance.v1 import clearance_pb2
from hudhud.edge.v1 import edge_service_pb2
from ml.corpus.expand import expand
from services.ends.device.device import Device
from services.kit.errors import Refusal
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
from services.local.platform import LocalPlatform

SECONDS: Final = 300
LANGUAGES: Final = ("ar", "en", "es", "hi", "id", "ru")
# Of what people are sent in free words: mostly what they want.
LABELS: Final = ("transactional",) * 12 + ("promotional", "promotional", "scam")
PEOPLE: Final = 12
GO_OFF: Final = 3  # of them switch their phones off for a while
A_SECOND: Final = 12.0  # sends, on average
# When something happens, as shares of the time: from, to.
PHONES_OFF: Final = (0.15, 0.5)
BILLING_AWAY: Final = (0.55, 0.59)
NATS_AWAY: Final = (0.7, 0.8)


class Traffic:
    """Businesses, people, and what they do."""

    def __init__(self, platform: LocalPlatform, stack: AsyncExitStack) -> None:
        self._platform = platform
        self._stack = stack
        self._doors = Doors(platform.state)
        self._random = random.Random(1)  # noqa: S311 - the same traffic every time
        self._phones: dict[str, Device] = {}
        self._switched_on: dict[str, AsyncExitStack] = {}
        self._numbers = [f"+96394420{number:04}" for number in range(PEOPLE)]
        self._tasks: set[asyncio.Task[None]] = set()
        corpus = expand(only=LANGUAGES)
        self._texts = {
            label: cycle([message for message in corpus if message.label == label])
            for label in {*LABELS, "personal"}
        }

    async def begin(self) -> None:
        """A shop with money, one with hardly any, and people whose phones are on."""
        operator = await self._stack.enter_async_context(Operator(self._doors))
        await operator.ensure_rates(rates())
        self._shop = await self._business(operator, "Jasmine Shop", 100_000 * MICROS)
        self._poor = await self._business(operator, "Corner Shop", MICROS // 10)
        for number in self._numbers:
            await self._switch_on(number)

    async def go_on(self, seconds: float) -> None:
        """Two waves of sends, the second on top of what fails meanwhile."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        self._later(begin, seconds, PHONES_OFF, self._phones_go_off, self._phones_come_back)
        self._later(begin, seconds, BILLING_AWAY, self._billing_goes, self._billing_comes)
        self._later(begin, seconds, NATS_AWAY, self._nats_goes, self._nats_comes)
        while (elapsed := loop.time() - begin) < seconds:
            self._start(self._send_one())
            if self._random.random() < 0.1:
                self._start(self._talk())
            wave = 1 - 0.7 * math.cos(elapsed / seconds * 4 * math.pi)
            await asyncio.sleep(self._random.expovariate(A_SECOND * wave))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _later(
        self,
        begin: float,
        seconds: float,
        when: tuple[float, float],
        *what: Callable[[], Awaitable[None]],
    ) -> None:
        async def happen() -> None:
            for share, act in zip(when, what, strict=True):
                now = asyncio.get_running_loop().time()
                await asyncio.sleep(begin + share * seconds - now)
                await act()

        self._start(happen())

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _business(self, operator: Operator, name: str, credit_micros: int) -> Business:
        business_id, api_key = await operator.register_business(
            name, {}, credit_micros=credit_micros, currency_code=CURRENCY_CODE
        )
        business = await self._stack.enter_async_context(
            Business(self._doors, name, business_id, api_key)
        )
        await business.connect()
        await business.submit_template(
            RECEIPT.name,
            RECEIPT.language_code,
            RECEIPT.category,
            RECEIPT.body,
            RECEIPT.parameters,
        )
        return business

    async def _switch_on(self, phone_number: str) -> None:
        on = await self._stack.enter_async_context(AsyncExitStack())
        phone = await open_phone(self._doors, phone_number)
        self._phones[phone_number] = await on.enter_async_context(phone)
        self._switched_on[phone_number] = on

    def _text(self, label: str) -> str:
        return next(self._texts[label]).text

    def _outgoing(self) -> edge_service_pb2.OutgoingMessage:
        number = self._random.choice(self._numbers)
        if self._random.random() < 0.4:
            receipt = template_message(
                number, RECEIPT.name, RECEIPT.language_code, RECEIPT.parameters
            )
            receipt.time_to_live.FromSeconds(self._random.choice((45, 3600)))
            return receipt
        return text_message(
            number,
            self._text(self._random.choice(LABELS)),
            kind=clearance_pb2.KIND_DIRECT,
            category=clearance_pb2.CATEGORY_UTILITY,
        )

    async def _send_one(self) -> None:
        business = self._poor if self._random.random() < 0.08 else self._shop
        await _attempt(business.send(self._outgoing()))

    async def _talk(self) -> None:
        """A person whose phone stays on writes, and the shop answers."""
        number = self._random.choice(self._numbers[GO_OFF:])
        phone = self._phones[number]
        await _attempt(phone.reply(self._shop.business_id, self._text("personal")))
        answer = text_message(number, self._text("personal"), kind=clearance_pb2.KIND_REPLY)
        await _attempt(self._shop.send(answer))

    async def _phones_go_off(self) -> None:
        for number in self._numbers[:GO_OFF]:
            await self._switched_on[number].aclose()

    async def _phones_come_back(self) -> None:
        for number in self._numbers[:GO_OFF]:
            await self._switch_on(number)

    async def _billing_goes(self) -> None:
        await self._platform.stop("billing")

    async def _billing_comes(self) -> None:
        await self._platform.start("billing")

    async def _nats_goes(self) -> None:
        assert self._platform.nats is not None
        await asyncio.to_thread(self._platform.nats.stop)

    async def _nats_comes(self) -> None:
        assert self._platform.nats is not None
        await asyncio.to_thread(self._platform.nats.start)


async def _attempt(sending: Awaitable[object]) -> None:
    """What is refused shows on the dashboards."""
    try:
        await sending
    except Refusal:
        pass


async def play(platform: LocalPlatform, seconds: float) -> None:
    """Let it live for so long."""
    async with AsyncExitStack() as stack:
        traffic = Traffic(platform, stack)
        await traffic.begin()
        await traffic.go_on(seconds)
