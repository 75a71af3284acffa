"""Owns ResolveContacts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from services.identity.domain.phone_numbers import BadPhoneNumber, PhoneNumber, parse_phone_number
from services.identity.errors import IdentityReasons
from services.identity.store import people
from services.kit.database import Database
from services.kit.errors import Refusal
from services.kit.pairwise import PairwiseIds


async def resolve_contacts(
    database: Database, pairwise: PairwiseIds, business_id: UUID, texts: Sequence[str]
) -> list[str | Refusal]:
    """For each phone number the contact id, or INVALID_PHONE_NUMBER, or UNKNOWN_PERSON."""
    # About 20 µs each: a long list is read beside the event loop.
    numbers = await asyncio.to_thread(_read_all, texts)
    good = {number.e164 for number in numbers if isinstance(number, PhoneNumber)}
    async with database.connection("resolve_contacts") as connection:
        found = await people.find_people(connection, list(good))

    def outcome(number: PhoneNumber | Refusal) -> str | Refusal:
        if isinstance(number, Refusal):
            return number
        person = found.get(number.e164)
        if person is None:
            return Refusal(IdentityReasons.UNKNOWN_PERSON)
        return pairwise.seal(business_id, person.person_id, person.country)

    return [outcome(number) for number in numbers]


def _read_all(texts: Sequence[str]) -> list[PhoneNumber | Refusal]:
    return [_read(text) for text in texts]


def _read(text: str) -> PhoneNumber | Refusal:
    try:
        return parse_phone_number(text)
    except BadPhoneNumber as error:
        return Refusal(IdentityReasons.INVALID_PHONE_NUMBER, str(error))
