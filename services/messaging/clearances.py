"""Owns the question whether a clearance is one that policy signed, and for whom it is good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import NamedTuple
from uuid import UUID

from google.protobuf.message import DecodeError

from hudhud.clearance.v1 import clearance_pb2
from services.kit.errors import Refusal
from services.kit.pairwise import PairwiseIds
from services.kit.verification_keys import VerificationKeys
from services.messaging.domain import MessageKey, body_digest
from services.messaging.errors import MessagingReasons
from services.messaging.store.ids import parse_id

# What policy signs in: see hudhud.clearance.v1.SignedClearance.
SIGNATURE_DOMAIN = "hudhud.clearance.v1"

CONTACTS_REMEMBERED_MAX = 50_000


class Clearance(NamedTuple):
    """What policy permits."""

    key: MessageKey
    contact_id: str
    country_code: str  # of the person's number, ISO 3166-1 alpha-2
    kind: int
    category: int
    body_sha256: bytes
    expire_time: datetime


class Clearances:
    """Reads signed clearances."""

    def __init__(self, keys: VerificationKeys, pairwise: PairwiseIds) -> None:
        self._keys = keys
        # Opening an id costs about as much as everything else here but the signature.
        self._open = lru_cache(CONTACTS_REMEMBERED_MAX)(partial(_open, pairwise))

    async def read(self, signed: clearance_pb2.SignedClearance) -> Clearance:
        """What the clearance permits, whether or not it has expired.

        Raises the refusals CLEARANCE_INVALID and UNKNOWN_CONTACT, and DEPENDENCY_UNAVAILABLE while
        policy's keys cannot be fetched.
        """
        key = await self._keys.get(signed.key_id)
        if key is None or not key.verify(SIGNATURE_DOMAIN, signed.clearance, signed.signature):
            raise Refusal(MessagingReasons.CLEARANCE_INVALID)
        try:
            said = clearance_pb2.Clearance.FromString(signed.clearance)
            business_id = parse_id(said.business_id)
            message_id = parse_id(said.message_id)
        except (DecodeError, ValueError) as error:
            # Policy signs no such thing; its key would have to be in other hands.
            raise Refusal(MessagingReasons.CLEARANCE_INVALID) from error
        contact = self._open(business_id, said.contact_id)
        if contact is None:
            raise Refusal(
                MessagingReasons.UNKNOWN_CONTACT, metadata={"contact_id": said.contact_id}
            )
        person_id, country_code = contact
        return Clearance(
            MessageKey(person_id, business_id, message_id),
            said.contact_id,
            country_code,
            said.kind,
            said.category,
            body_digest(
                said.contact_id, said.kind, said.category, said.template_id, said.commitment
            ),
            _time(said.expire_time.seconds, said.expire_time.nanos),
        )


def _open(pairwise: PairwiseIds, business_id: UUID, contact_id: str) -> tuple[UUID, str] | None:
    contact = pairwise.open(business_id, contact_id)
    return None if contact is None else (parse_id(contact[0]), contact[1])


def _time(seconds: int, nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=nanoseconds // 1000)
