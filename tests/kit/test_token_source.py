"""A client's token: renewed in time, and once however many wait."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.kit.clock import ManualClock
from services.kit.token_source import TokenSource


class Exchange:
    """Gives out "token 1", "token 2" and so on, each good for 900 seconds."""

    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.count = 0
        self.failing = False
        self.source = TokenSource(self.exchange, clock=self.clock)

    async def exchange(self) -> tuple[str, datetime]:
        await asyncio.sleep(0)
        if self.failing:
            raise ConnectionError("away")
        self.count += 1
        return f"token {self.count}", self.clock.now() + timedelta(seconds=900)


async def test_one_exchange_serves_all_that_wait() -> None:
    exchange = Exchange()
    assert set(await asyncio.gather(*(exchange.source.text() for _ in range(20)))) == {"token 1"}


async def test_a_token_is_renewed_before_it_ends() -> None:
    exchange = Exchange()
    assert await exchange.source.text() == "token 1"
    exchange.clock.advance(839)
    assert await exchange.source.text() == "token 1"
    exchange.clock.advance(1)
    assert await exchange.source.text() == "token 2"


async def test_the_old_token_serves_while_the_exchange_fails() -> None:
    exchange = Exchange()
    await exchange.source.text()
    exchange.failing = True
    exchange.clock.advance(899)
    assert await exchange.source.text() == "token 1"
    exchange.clock.advance(1)
    with pytest.raises(ConnectionError):
        await exchange.source.text()
    exchange.failing = False
    assert await exchange.source.text() == "token 2"


async def test_a_refused_token_is_not_used_again() -> None:
    exchange = Exchange()
    await exchange.source.text()
    exchange.source.forget()
    assert await exchange.source.text() == "token 2"


async def test_one_who_gives_up_waiting_does_not_stop_the_exchange() -> None:
    exchange = Exchange()
    first = asyncio.ensure_future(exchange.source.text())
    second = asyncio.ensure_future(exchange.source.text())
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "token 1"
