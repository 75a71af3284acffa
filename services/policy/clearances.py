"""Owns clearances: how they are made, signed, and known again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from hudhud.clearance.v1 import clearance_pb2
from services.kit.signing import SigningKey
from services.policy.domain.messages import Category, Draft

# What is signed: see hudhud.clearance.v1.SignedClearance.
SIGNATURE_DOMAIN: Final = "hudhud.clearance.v1"
LIFETIME: Final = timedelta(minutes=10)

_PEM = re.compile(rb"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Permission:
    """What a verdict that allows is remembered by; the rest of its clearance is in the request."""

    category: Category
    template_id: str
    issue_time: datetime
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class Cleared:
    """A message that may be sent."""

    clearance: clearance_pb2.SignedClearance
    category: Category


class Clearances:
    """Signs with the first of its keys and knows the signatures of all."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self.keys = tuple(key.verifying_key for key in keys)
        self._signing_key = keys[0]
        self._verifying = {key.key_id: key for key in self.keys}

    def sign(self, draft: Draft, permission: Permission) -> Cleared:
        """The signed clearance of a message. Made again, it is the same to the last bit, because
        Ed25519 is deterministic; that is why none is stored.
        """
        clearance = clearance_pb2.Clearance(
            message_id=str(draft.key.message_id),
            business_id=str(draft.key.business_id),
            contact_id=draft.contact_id,
            kind=int(draft.kind),
            category=int(permission.category),
            template_id=permission.template_id,
            screening=clearance_pb2.SCREENING_PLATFORM,
            commitment=draft.commitment,
            issue_time=_timestamp(permission.issue_time),
            expire_time=_timestamp(permission.expire_time),
        )
        data = clearance.SerializeToString()
        signed = clearance_pb2.SignedClearance(
            clearance=data,
            key_id=self._signing_key.key_id,
            signature=self._signing_key.sign(SIGNATURE_DOMAIN, data),
        )
        return Cleared(signed, permission.category)

    def read(self, signed: clearance_pb2.SignedClearance) -> clearance_pb2.Clearance | None:
        """What was signed; None unless it was by one of our keys."""
        key = self._verifying.get(signed.key_id)
        if key is None or not key.verify(SIGNATURE_DOMAIN, signed.clearance, signed.signature):
            return None
        try:
            return clearance_pb2.Clearance.FromString(signed.clearance)
        except DecodeError:
            return None


@lru_cache(maxsize=64)
def _timestamp(time: datetime) -> Timestamp:
    """All clearances of a batch have the same two."""
    proto = Timestamp()
    proto.FromDatetime(time)
    return proto


def read_signing_keys(pem: bytes) -> tuple[SigningKey, ...]:
    """The Ed25519 private keys of a PEM file: the first signs, all verify.

    To replace a key without a clearance being refused: append the new one everywhere, then put it
    first, then remove the old one once its last clearance has ended. Raises ValueError.
    """
    keys = tuple(SigningKey.from_pem(block[0]) for block in _PEM.finditer(pem))
    if not keys:
        raise ValueError("holds no private key in PEM")
    return keys
