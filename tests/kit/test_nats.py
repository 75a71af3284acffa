"""A connection for as long as the process lives."""

import asyncio
from collections.abc import Callable

import pytest
from nats.aio.client import Client

from services.kit.nats import Disconnected, Nats, tls_context
from services.local.certificates import Authority
from services.local.nats import Nats as Server
from tests.fixtures.waiting import eventually

Start = Callable[..., Server]
Connect = Callable[[str], Nats]


async def test_starting_returns_at_once_and_the_connection_comes_when_it_can(
    start_nats: Start, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_nats(None)
    server.stop()
    nats = connect(server.url)
    await eventually(lambda: f"no connection to NATS at {server.url}" in caplog.text)
    server.start()
    client = await nats.connected()
    assert nats.client is client
    await client.flush()


async def test_work_on_a_connection_ends_with_it_and_begins_again_on_the_next(
    start_nats: Start, connect: Connect
) -> None:
    server = start_nats(None)
    nats = connect(server.url)
    clients: list[Client] = []
    ended: list[str] = []

    async def work(client: Client) -> None:
        clients.append(client)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    for _ in range(2):
        serving = asyncio.ensure_future(nats.serve(work))
        await eventually(lambda: nats.client is not None and len(clients) == len(ended) + 1)
        server.kill()
        with pytest.raises(Disconnected):
            await serving
        assert nats.client is None
        server.start()
    assert clients[0] is not clients[1]
    assert ended == ["cancelled", "cancelled"]


async def test_work_that_ends_hands_back_what_it_returns_or_raises(
    start_nats: Start, connect: Connect
) -> None:
    nats = connect(start_nats(None).url)

    async def fine(client: Client) -> str:
        return client.connected_url.scheme if client.connected_url else ""

    async def wrong(client: Client) -> None:
        raise LookupError(client.client_id)

    assert await nats.serve(fine) == "nats"
    with pytest.raises(LookupError):
        await nats.serve(wrong)


async def test_with_a_certificate_it_speaks_tls_and_without_one_it_is_turned_away(
    start_nats: Start, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_nats(authority.identity("nats"))
    mine = authority.identity("messaging")
    context = tls_context(mine.certificate_file, mine.key_file, mine.authority_file)
    nats = Nats(server.url, name="messaging", tls=context)
    nats.start()
    client = await nats.connected()
    await client.flush()
    await nats.close()
    stranger = Nats(server.url, name="stranger")
    stranger.start()
    await eventually(lambda: "no connection to NATS at tls://" in caplog.text)
    assert stranger.client is None
    await stranger.close()


async def test_closing_sends_what_was_published(start_nats: Start, connect: Connect) -> None:
    url = start_nats(None).url
    listener = await connect(url).connected()
    subscription = await listener.subscribe("hudhud.test")
    await listener.flush()
    nats = connect(url)
    await (await nats.connected()).publish("hudhud.test", b"last words")
    await nats.close()
    assert (await subscription.next_msg(5)).data == b"last words"
