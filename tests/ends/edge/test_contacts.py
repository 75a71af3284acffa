"""What the edge remembers of people, for how long, and what it asks for again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.ends.edge.contacts import Contacts, Remembered
from services.kit.clock import ManualClock
from services.kit.errors import Refusal
from tests.ends.fakes.identity import FakeIdentity, Person
from tests.ends.fakes.troubles import away
from tests.ends.handset import Handset

BUSINESS_ID = "01931b60-0000-7000-8000-00000000000b"
OTHER_ID = "01931b60-0000-7000-8000-00000000000c"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def contacts(identity: FakeIdentity, clock: ManualClock) -> Contacts:
    return Contacts(identity, clock, 60.0)


async def test_a_number_is_asked_for_once_a_minute_and_by_business(
    contacts: Contacts, identity: FakeIdentity, clock: ManualClock
) -> None:
    person = Person("+963944000001")
    identity.people[person.phone_number] = person
    wanted = {(BUSINESS_ID, person.phone_number), (OTHER_ID, person.phone_number)}
    found = await contacts.resolve(wanted)
    assert found == {key: identity.contact_id(key[0], person) for key in wanted}
    assert identity.troubles.calls["ResolveContacts"] == 2
    clock.advance(59.9)
    assert await contacts.resolve(wanted) == found
    assert identity.troubles.calls["ResolveContacts"] == 2
    clock.advance(0.1)
    await contacts.resolve(wanted)
    assert identity.troubles.calls["ResolveContacts"] == 4


async def test_a_number_that_nobody_has_may_be_somebodys_the_next_time(
    contacts: Contacts, identity: FakeIdentity
) -> None:
    key = (BUSINESS_ID, "+963944000002")
    refusal = (await contacts.resolve([key]))[key]
    assert isinstance(refusal, Refusal)
    assert refusal.reason.name == "UNKNOWN_PERSON"
    identity.people[key[1]] = Person(key[1])
    assert isinstance((await contacts.resolve([key]))[key], str)


async def test_a_new_device_is_seen_after_a_minute_or_when_asked_for(
    contacts: Contacts,
    identity: FakeIdentity,
    clock: ManualClock,
    new_handset: Callable[..., Handset],
) -> None:
    first = new_handset()
    contact = (BUSINESS_ID, first.contact_id(BUSINESS_ID))
    assert (await contacts.devices([contact]))[contact] == [first.end_keys]
    second = new_handset(person=first.person)
    assert (await contacts.devices([contact]))[contact] == [first.end_keys]
    clock.advance(60)
    assert (await contacts.devices([contact]))[contact] == [first.end_keys, second.end_keys]
    third = new_handset(person=first.person)
    contacts.forget_devices([contact])
    found = (await contacts.devices([contact]))[contact]
    assert isinstance(found, list)
    assert third.end_keys in found


async def test_having_no_device_is_not_remembered(
    contacts: Contacts, identity: FakeIdentity, new_handset: Callable[..., Handset]
) -> None:
    person = Person("+963944000003")
    contact = (BUSINESS_ID, identity.contact_id(BUSINESS_ID, person))
    assert (await contacts.devices([contact]))[contact] == []
    handset = new_handset(person=person)
    assert (await contacts.devices([contact]))[contact] == [handset.end_keys]


async def test_identity_away_is_each_contacts_refusal_and_not_remembered(
    contacts: Contacts, identity: FakeIdentity, handset: Handset
) -> None:
    contact = (BUSINESS_ID, handset.contact_id(BUSINESS_ID))
    identity.troubles.refusals["ListContactDevices"] = away()
    assert isinstance((await contacts.devices([contact]))[contact], Refusal)
    del identity.troubles.refusals["ListContactDevices"]
    assert (await contacts.devices([contact]))[contact] == [handset.end_keys]


def test_only_so_much_is_remembered() -> None:
    remembered: Remembered[int] = Remembered(ManualClock(), 60, entries_max=2)
    for number in range(3):
        remembered.put((str(number),), number)
    assert [remembered.get((str(number),)) for number in range(3)] == [None, 1, 2]
