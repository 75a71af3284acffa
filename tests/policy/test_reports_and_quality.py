"""ReportMessage, GetQuality, and what messaging tells: how messages fared."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from hudhud.clearance.v1 import clearance_pb2
from hudhud.messaging.v1 import message_pb2
from hudhud.policy.v1 import policy_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.database import Database
from services.kit.errors import Refusal
from services.kit.jetstream import Stream
from services.kit.migrate import migrate
from services.kit.nats import Nats as Connection
from services.kit.outbox import Event, append
from services.kit.relay import Relay
from services.kit.signing import SigningKey
from services.local.nats import Nats
from services.policy.actions.record_fates import record_fates
from services.policy.domain.evidence import Code, Evidence
from services.policy.domain.messages import Fate, MessageKey
from services.policy.store import verdicts
from tests.fixtures.postgres import PostgresForTests
from tests.policy.beside import Beside
from tests.policy.house import House, Replica
from tests.policy.parties import OFFER, RECEIPT, Business, Person

DELIVERED = message_pb2.MESSAGE_STATE_DELIVERED
READ = message_pb2.MESSAGE_STATE_READ
REFUSED = message_pb2.MESSAGE_STATE_REFUSED
EXPIRED = message_pb2.MESSAGE_STATE_EXPIRED
SCAM = pb.ReportMessageRequest.REASON_SCAM


def report(item: pb.ScreenItem, allowed: pb.Allowed, **said: Any) -> pb.ReportMessageRequest:
    """A message as a device hands it over."""
    given = {
        "clearance": allowed.clearance,
        "content": item.content,
        "franking_key": item.franking_key,
        "reason": SCAM,
    }
    return pb.ReportMessageRequest(**{**given, **said})


async def quality(business: Business) -> tuple[int, int, int, int, int]:
    stub = await business.stub()
    counted = await stub.GetQuality(pb.GetQualityRequest(business_id=str(business.business_id)))
    return (
        counted.screened_count,
        counted.blocked_count,
        counted.delivered_count,
        counted.refused_count,
        counted.reported_count,
    )


def changed(item: pb.ScreenItem, state: Any) -> Event:
    """What messaging tells of a message."""
    change = message_pb2.MessageChanged(
        message=message_pb2.Message(
            message_id=item.message_id, business_id=item.business_id, state=state
        )
    )
    return Event(new_id(), "hudhud.messaging.message.changed", change.SerializeToString())


async def test_a_report_is_kept_once_with_its_proof(business: Business, person: Person) -> None:
    item = business.item(person, RECEIPT)
    allowed = await business.allowed(item)
    device = await person.device()
    business.replica.house.clock.advance(3600)  # the clearance has ended meanwhile
    for _ in range(2):
        await device.ReportMessage(report(item, allowed))
    rows = await business.replica.house.rows(
        "SELECT * FROM reports WHERE business_id = $1", business.business_id
    )
    assert len(rows) == 1
    assert rows[0]["content"] == item.content
    assert rows[0]["person_id"] == person.person_id
    assert rows[0]["message_id"] == UUID(item.message_id)
    assert (await quality(business))[4] == 1


async def test_a_report_cannot_be_made_up(business: Business, person: Person) -> None:
    item = business.item(person, RECEIPT)
    allowed = await business.allowed(item)
    device = await person.device()
    forged = clearance_pb2.SignedClearance()
    forged.CopyFrom(allowed.clearance)
    forger = SigningKey.generate()
    forged.signature = forger.sign("hudhud.clearance.v1", forged.clearance)
    elsewhere = clearance_pb2.SignedClearance()
    elsewhere.CopyFrom(forged)
    elsewhere.key_id = forger.key_id
    for request, reason in (
        (report(item, allowed, clearance=forged), "CLEARANCE_INVALID"),
        (report(item, allowed, clearance=elsewhere), "CLEARANCE_INVALID"),
        (report(item, allowed, content=item.content + b"\0"), "COMMITMENT_MISMATCH"),
        (report(item, allowed, franking_key=b"\0" * 32), "COMMITMENT_MISMATCH"),
    ):
        with pytest.raises(Refusal, match=reason):
            await device.ReportMessage(request)
    somebody_else = await Person(business.replica).device()
    with pytest.raises(Refusal, match="CLEARANCE_INVALID"):
        await somebody_else.ReportMessage(report(item, allowed))
    assert (await quality(business))[4] == 0
    await device.ReportMessage(report(item, allowed))
    assert (await quality(business))[4] == 1


async def test_quality_counts_a_week_of_one_business(business: Business, person: Person) -> None:
    items = [business.item(person, RECEIPT) for _ in range(5)]
    await business.screen(*items, business.item(person, OFFER))
    other = Business(business.replica)
    await other.screen(other.item(person, RECEIPT))
    assert await quality(business) == (6, 1, 0, 0, 0)
    events = [
        changed(items[0], DELIVERED),
        changed(items[1], READ),
        changed(items[2], REFUSED),
        changed(items[3], EXPIRED),
    ]
    database = business.replica.servicer._database
    await record_fates(database, events)
    assert await quality(business) == (6, 1, 2, 1, 0)
    # The same again, and older news after newer, change nothing.
    await record_fates(database, [*reversed(events), changed(items[1], DELIVERED)])
    await record_fates(database, [changed(items[2], DELIVERED), changed(items[3], READ)])
    assert await quality(business) == (6, 1, 2, 1, 0)
    operator = await business.replica.operator()
    counted = await operator.GetQuality(pb.GetQualityRequest(business_id=str(business.business_id)))
    assert counted.screened_count == 6
    business.replica.house.clock.advance(8 * 24 * 3600)
    assert await quality(business) == (0, 0, 0, 0, 0)


async def test_a_clearance_that_was_used_is_answered_as_it_was(
    business: Business, person: Person
) -> None:
    item = business.item(person, RECEIPT)
    first = await business.allowed(item)
    await record_fates(business.replica.servicer._database, [changed(item, DELIVERED)])
    business.replica.house.clock.advance(3600)
    assert await business.allowed(item) == first


async def test_a_clearance_used_while_it_was_screened_again_is_not_taken_back(
    business: Business, person: Person
) -> None:
    item = business.item(person, RECEIPT)
    await business.allowed(item)
    key = MessageKey(business.business_id, UUID(item.message_id))
    database: Database = business.replica.servicer._database
    async with database.connection("test") as connection:
        first = (await verdicts.get(connection, [key]))[key]
        later = replace(
            first,
            screen_time=first.screen_time + timedelta(hours=1),
            expire_time=None,
            evidence=(Evidence(Code.RECIPIENT_DECLINED, "rule block", "en"),),
        )
        await verdicts.advance_fates(connection, {key: Fate.DELIVERED})
        assert await verdicts.insert(connection, [later]) == set()
        assert await verdicts.get(connection, [key]) == {key: replace(first, fate=Fate.DELIVERED)}


async def test_another_business_must_not_look(business: Business) -> None:
    stub = await Business(business.replica).stub()
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await stub.GetQuality(pb.GetQualityRequest(business_id=str(business.business_id)))


@pytest.fixture
async def messaging(
    postgres: PostgresForTests, nats_server: Nats, beside: Beside
) -> AsyncIterator[Callable[[Event], Awaitable[None]]]:
    """Tells what messaging tells, over its outbox and NATS; returns once JetStream has it."""
    database = await Database.open(await postgres.create_database("messaging"), name="test")
    await migrate(database, "services.kit")
    nats = Connection(nats_server.url, name="test")
    nats.start()
    relay = Relay(database, nats, Stream("messaging", ["hudhud.messaging.>"]))
    beside(relay.run())

    async def tell(event: Event) -> None:
        async with database.transaction("tell") as connection:
            await append(connection, [event])
        relay.wake()
        await beside.until(is_relayed)

    async def is_relayed() -> bool:
        async with database.connection("pending") as connection:
            return bool(await connection.fetchval("SELECT count(*) = 0 FROM outbox_pending"))

    yield tell
    await beside.stop()
    await nats.close()
    await database.close()


async def test_what_messaging_tells_arrives(
    house: House,
    nats_server: Nats,
    messaging: Callable[[Event], Awaitable[None]],
    beside: Beside,
    policy: Replica,
) -> None:
    # The stream is there before policy asks for it: policy's clock stands still, and it would wait.
    await messaging(Event(new_id(), "hudhud.messaging.conversation.opened", b""))
    async with house.replica(nats_url=nats_server.url) as replica:
        business, person = Business(replica), Person(replica)
        item = business.item(person, RECEIPT)
        await business.allowed(item)
        await messaging(changed(item, DELIVERED))

        async def fate_is_known() -> bool:
            return await quality(business) == (1, 0, 1, 0, 0)

        await beside.until(fate_is_known)
