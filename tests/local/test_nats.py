"""NATS for one state folder: its TLS, its ports, what it keeps and what a wipe removes."""

import ssl
from collections.abc import Callable

import nats
import pytest
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from services.local.certificates import Authority, Identity
from services.local.nats import Nats

Start = Callable[[Identity | None], Nats]


async def test_it_keeps_a_stream_over_a_kill_and_loses_it_in_a_wipe(start_nats: Start) -> None:
    server = start_nats(None)
    client = await nats.connect(server.url)
    await client.jetstream().add_stream(name="LETTERS", subjects=["letters.>"])
    await client.jetstream().publish("letters.first", b"salam")
    await client.close()

    server.kill()
    server.start()
    client = await nats.connect(server.url)
    assert (await client.jetstream().stream_info("LETTERS")).state.messages == 1
    await client.close()

    server.stop()
    server.wipe()
    server.start()
    client = await nats.connect(server.url)
    with pytest.raises(NotFoundError):
        await client.jetstream().stream_info("LETTERS")
    await client.close()


async def test_with_tls_it_wants_a_certificate_of_our_authority(
    start_nats: Start, authority: Authority
) -> None:
    server = start_nats(authority.identity("nats"))
    messaging = authority.identity("messaging")
    context = ssl.create_default_context(cafile=messaging.authority_file)
    anonymous = ssl.create_default_context(cafile=messaging.authority_file)
    context.load_cert_chain(messaging.certificate_file, messaging.key_file)

    client = await nats.connect(server.url, tls=context)
    await client.close()
    with pytest.raises((NatsError, OSError)):
        await nats.connect(server.url, tls=anonymous, allow_reconnect=False)


async def test_servers_side_by_side_have_ports_of_their_own(start_nats: Start) -> None:
    servers = [start_nats(None) for _ in range(3)]
    assert len({server.url for server in servers}) == 3
    address = servers[0].url
    servers[0].kill()
    servers[0].start()
    assert servers[0].url == address
