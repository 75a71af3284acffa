"""Forgetting: what has come to its end, after its time, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from hudhud.messaging.v1 import message_pb2
from hudhud.messaging.v1 import messaging_service_pb2 as pb
from services.kit.clock import new_id
from services.kit.database import Database
from services.kit.errors import Refusal
from services.messaging import housekeeping
from services.messaging.config import MessagingSettings
from services.messaging.domain import RESERVATION_MARGIN
from services.messaging.housekeeping import sweep
from services.policy.housekeeping import VERDICTS_KEPT
from tests.messaging.house import House, Replica
from tests.messaging.parties import (
    Business,
    Person,
    accept_one,
    message_id_of,
    state_of,
    submit_one,
)

KEPT = timedelta(days=45)
DAY_SECONDS = 86_400


@pytest.fixture
async def replica(house: House) -> AsyncIterator[Replica]:
    """One that leaves the sweeping to the test."""
    async with house.replica(messages_kept_days=10_000) as replica:
        yield replica


@pytest.fixture
async def database(house: House) -> AsyncIterator[Database]:
    """A second replica's way to the same tables."""
    database = await Database.open(house.database_url, name="test")
    yield database
    await database.close()


async def ended(house: House, item: pb.AcceptItem) -> None:
    """As the last ack leaves a message."""
    await house.rows("DELETE FROM device_envelopes WHERE message_id = $1", message_id_of(item))
    await house.rows(
        "UPDATE messages SET state = $2, copies_left = 0 WHERE message_id = $1",
        message_id_of(item),
        message_pb2.MESSAGE_STATE_DELIVERED,
    )


async def known(house: House) -> set[UUID]:
    """The ids of messages, either way, that are there."""
    rows = await house.rows(
        "SELECT message_id FROM messages UNION SELECT message_id FROM submissions"
    )
    return {row[0] for row in rows}


async def test_what_has_ended_is_forgotten_after_its_time(
    house: House, replica: Replica, business: Business, person: Person, database: Database
) -> None:
    old, waiting = business.item(person), business.item(person)
    await accept_one(replica, old)
    await accept_one(replica, waiting)
    # So nobody gives the other up: it stays as it is.
    await house.rows("DELETE FROM device_envelopes")
    await ended(house, old)
    written = new_id()
    await submit_one(replica, person, business, message_id=written)
    house.clock.advance(45 * DAY_SECONDS)
    young, written_since = business.item(person), new_id()
    await accept_one(replica, young)
    await ended(house, young)
    await submit_one(replica, person, business, message_id=written_since)

    assert await sweep(database, KEPT, house.clock) == 0
    assert len(await known(house)) == 5
    house.clock.advance(1)
    assert await sweep(database, KEPT, house.clock) == 2
    assert await known(house) == {message_id_of(waiting), message_id_of(young), written_since}
    with pytest.raises(Refusal) as refused:
        await state_of(replica, business, message_id_of(old))
    assert refused.value.reason.name == "MESSAGE_NOT_FOUND"


async def test_that_somebody_wrote_is_never_forgotten(
    house: House, replica: Replica, business: Business, person: Person, database: Database
) -> None:
    """A business that answers late is told another thing than one that was never written to."""
    await submit_one(replica, person, business)
    house.clock.advance(1000 * DAY_SECONDS)
    assert await sweep(database, KEPT, house.clock) == 1
    edge = await replica.service()
    found = await edge.GetWindow(
        pb.GetWindowRequest(
            business_id=str(business.business_id), contact_id=business.contact_id(person)
        )
    )
    assert found.HasField("last_person_message_time")


async def test_replicas_sweep_beside_one_another_in_small_steps(
    house: House, replica: Replica, business: Business, database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(housekeeping, "ROWS_AT_A_TIME", 7)
    for _ in range(20):
        item = business.item(Person())
        await accept_one(replica, item)
        await ended(house, item)
    house.clock.advance(46 * DAY_SECONDS)

    async def all_of_it() -> list[int]:
        counts = []
        while count := await sweep(database, KEPT, house.clock):
            counts.append(count)
        return counts

    counts = [
        count for of_one in await asyncio.gather(all_of_it(), all_of_it()) for count in of_one
    ]
    assert (sum(counts), max(counts)) == (20, 7)
    assert await known(house) == set()


async def test_a_running_replica_sweeps_by_itself(
    house: House, business: Business, person: Person
) -> None:
    async with house.replica(messages_kept_days=41) as replica:
        item = business.item(person)
        await accept_one(replica, item)
        await ended(house, item)
        house.clock.advance(42 * DAY_SECONDS)
        while await known(house):
            # Whenever it sleeps, its time has come.
            house.clock.advance(600)
            await asyncio.sleep(0.01)


def test_a_message_is_known_for_longer_than_it_lives_and_than_its_verdict() -> None:
    field: Any = MessagingSettings.model_fields["messages_kept_days"]
    (least,) = [each.ge for each in field.metadata if hasattr(each, "ge")]
    longest: Any = pb.AcceptItem.DESCRIPTOR.fields_by_name["time_to_live"].GetOptions()
    (rules,) = [value for _, value in longest.ListFields()]
    assert timedelta(days=least) >= timedelta(seconds=rules.maximum) + RESERVATION_MARGIN
    assert timedelta(days=least) > VERDICTS_KEPT
    assert field.default >= least
