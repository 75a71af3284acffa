"""Verdicts that are old go; nothing else does."""

from services.policy.housekeeping import VERDICTS_KEPT, sweep
from tests.policy.parties import RECEIPT, Business, Person


async def test_old_verdicts_are_forgotten(business: Business, person: Person) -> None:
    house = business.replica.house
    database = business.replica.servicer._database
    old = business.item(person, RECEIPT)
    await business.allowed(old)
    house.clock.advance(VERDICTS_KEPT.total_seconds())
    await sweep(database, house.clock)
    new = business.item(person, RECEIPT)
    await business.allowed(new)
    house.clock.advance(60)
    assert await sweep(database, house.clock) >= 1
    assert await sweep(database, house.clock) == 0
    rows = await house.rows(
        "SELECT message_id::text FROM verdicts WHERE business_id = $1", business.business_id
    )
    assert [row[0] for row in rows] == [new.message_id]
