"""Billing as a process: its environment, events from JetStream, time that passes, and its end."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import psutil

from hudhud.billing.v1 import account_pb2
from services.billing.message_events import STREAM
from services.kit.clock import ManualClock
from services.kit.database import FOUND_BY_KEY, Database
from services.kit.nats import Nats as NatsConnection
from services.kit.nats import tls_context
from services.kit.outbox import Event
from services.kit.signing import SigningKey
from services.kit.tokens import TokenSigner
from services.local.certificates import Authority, Identity
from services.local.leash import Leash
from services.local.nats import Nats
from tests.billing.house import House, listening_as, running_identity
from tests.billing.parties import MARKETING, UNIT, message_changed, open_business, set_terms
from tests.fixtures.postgres import PostgresForTests

MEMORY_BYTES_MAX = 250 * 1024 * 1024

StartNats = Callable[[Identity | None], Nats]


@asynccontextmanager
async def billing_process(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUDHUD_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.billing",
        stderr=asyncio.subprocess.PIPE,
        env={**kept, **environment},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def running_process(
    postgres: PostgresForTests, authority: Authority, nats_url: str
) -> AsyncIterator[tuple[House, asyncio.subprocess.Process]]:
    """A billing process, and a house to call it from."""
    owner_url, guest_url = await postgres.create_database_with_guest("billing")
    key = SigningKey.generate()
    clock = ManualClock(datetime.now(UTC))
    async with AsyncExitStack() as stack:
        identity_address = await stack.enter_async_context(running_identity(authority, key))
        doors = listening_as(authority, "billing")
        environment = {
            **{f"HUDHUD_{name.upper()}": str(value) for name, value in doors.items()},
            "HUDHUD_DATABASE_URL": guest_url,
            "HUDHUD_MIGRATION_DATABASE_URL": owner_url,
            "HUDHUD_NATS_URL": nats_url,
            "HUDHUD_IDENTITY_ADDRESS": str(identity_address),
            "HUDHUD_EXPIRY_INTERVAL_SECONDS": "0.1",
            "HUDHUD_LOG_FORMAT": "json",
        }
        process = await stack.enter_async_context(billing_process(environment))
        serving = await said(process, "serving")
        database = await Database.open(
            guest_url, name="test", postgres_settings=FOUND_BY_KEY, clock=clock
        )
        stack.push_async_callback(database.close)
        house = House(
            clock=clock,
            database=database,
            guest_url=guest_url,
            owner_url=owner_url,
            internal_address=serving["internal"],
            public_address=serving["public"],
            _signer=TokenSigner(key),
            _authority=authority,
            _stack=stack,
        )
        yield house, process


async def said(process: asyncio.subprocess.Process, message: str) -> dict[str, Any]:
    """The first line of the log with this message."""
    assert process.stderr is not None
    lines = []
    while line := await process.stderr.readline():
        lines.append(line.decode())
        record: dict[str, Any] = json.loads(line)
        if record["message"] == message:
            return record
    raise AssertionError(f"it never said {message!r}: {''.join(lines)}")


@asynccontextmanager
async def connected(url: str, authority: Authority) -> AsyncIterator[NatsConnection]:
    """Messaging's connection to NATS."""
    files = authority.identity("messaging")
    tls = tls_context(files.certificate_file, files.key_file, files.authority_file)
    nats = NatsConnection(url, name="messaging", tls=tls)
    nats.start()
    try:
        yield nats
    finally:
        await nats.close()


async def publish(nats: NatsConnection, events: Sequence[Event]) -> None:
    """As messaging's relay does, and each of them twice."""
    jetstream = (await nats.connected()).jetstream()
    for event in events:
        for number in range(2):
            headers = {"Nats-Msg-Id": f"{event.event_id}.{number}"}
            await jetstream.publish(event.subject, event.payload, headers=headers)


async def next_alert(jetstream: Any) -> account_pb2.AccountAlert:
    """What a business is told, from the stream."""
    subscription = await jetstream.subscribe("hudhud.billing.account.alert")
    message = await subscription.next_msg(timeout=15)
    return account_pb2.AccountAlert.FromString(message.data)


async def test_receipts_come_by_jetstream_and_the_rest_by_time(
    postgres: PostgresForTests, authority: Authority, start_nats: StartNats
) -> None:
    nats_url = start_nats(authority.identity("nats")).url
    async with (
        connected(nats_url, authority) as nats,
        running_process(postgres, authority, nats_url) as (house, process),
    ):
        business = await open_business(house, micros=100 * UNIT)
        items = [business.item(category=MARKETING) for _ in range(4)]
        house.clock.advance((datetime.now(UTC) - house.clock.now()).total_seconds())
        short = business.item(seconds=1)
        await set_terms(business, left_alerts=[90 * UNIT])
        assert await business.reserve(*items, short) == [4 * UNIT] * 4 + [UNIT]
        # The stream is there only now: billing has waited for it.
        jetstream = (await nats.connected()).jetstream()
        await jetstream.add_stream(name=STREAM, subjects=["hudhud.messaging.>"])
        changes = ("read", "delivered", "refused", "expired")
        events = [
            message_changed(change, business.business_id, item.message_id)
            for change, item in zip(changes, items, strict=True)
        ]
        events.append(message_changed("delivered", business.business_id, items[0].message_id))
        garbage = Event(events[0].event_id, "hudhud.messaging.message.read", b"\xff garbage")
        accepted = Event(events[0].event_id, "hudhud.messaging.message.accepted", b"not for us")
        await publish(nats, [garbage, accepted, *reversed(events)])

        async with asyncio.timeout(30):
            while (await business.ledger())["reserved"]:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
        assert await business.balances() == (92 * UNIT, 0)
        assert (await business.ledger())["revenue"] == 8 * UNIT
        assert await business.entries(short.message_id) == [("RESERVATION", UNIT), ("EXPIRY", UNIT)]
        assert await business.unsettled() == []

        # And what the business wants to be told goes out.
        alert = await next_alert(jetstream)
        assert (alert.business_id, alert.level) == (business.business_id, business.money(90 * UNIT))

        assert psutil.Process(process.pid).memory_info().rss < MEMORY_BYTES_MAX
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 15) == 0


async def test_a_bad_environment_is_named_at_once(leash: Leash) -> None:
    async with billing_process({"HUDHUD_EXPIRY_INTERVAL_SECONDS": "-1"}) as process:
        _, output = await process.communicate()
        assert process.returncode == 2
        for name in ("DATABASE_URL", "NATS_URL", "IDENTITY_ADDRESS", "TLS_KEY_FILE"):
            assert f"HUDHUD_{name} is not set" in output.decode()
        assert "HUDHUD_EXPIRY_INTERVAL_SECONDS" in output.decode()
