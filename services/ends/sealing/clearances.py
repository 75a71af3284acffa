"""Clearances at the receiving end: policy allowed this message, for this person, as it reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from google.protobuf.message import DecodeError

from hudhud.clearance.v1 import clearance_pb2
from services.ends.sealing.commitments import opens
from services.ends.sealing.envelopes import Opened
from services.kit.signing import VerifyingKey

CLEARANCE_DOMAIN: Final = "hudhud.clearance.v1"


class ClearanceMismatch(ValueError):
    """A message is not what policy cleared. `reason` is what the end tells messaging."""

    def __init__(self, reason: str, message: str) -> None:
        """`reason` is in capitals, as in messaging's Ack."""
        super().__init__(message)
        self.reason = reason


def check(
    signed: clearance_pb2.SignedClearance,
    opened: Opened,
    *,
    business_id: str,
    contact_id: str,
    find_key: Callable[[str], VerifyingKey | None],
) -> clearance_pb2.Clearance:
    """The clearance, if it permits exactly what was opened.

    `business_id` is whose session it came through and `contact_id` the id by which that business
    knows this person, both known to the device from identity, not from the message. The time of
    arrival does not matter: messaging accepted the message while the clearance was good. Raises
    ClearanceMismatch with CLEARANCE_INVALID, WRONG_BUSINESS, WRONG_RECIPIENT, WRONG_MESSAGE or
    COMMITMENT_MISMATCH.
    """
    key = find_key(signed.key_id)
    if key is None or not key.verify(CLEARANCE_DOMAIN, signed.clearance, signed.signature):
        raise ClearanceMismatch("CLEARANCE_INVALID", "policy did not sign this clearance")
    try:
        clearance = clearance_pb2.Clearance.FromString(signed.clearance)
    except DecodeError as error:
        raise ClearanceMismatch("CLEARANCE_INVALID", "the clearance is not readable") from error
    if clearance.business_id != business_id or opened.business_id != business_id:
        raise ClearanceMismatch("WRONG_BUSINESS", "the clearance is another business's")
    if clearance.contact_id != contact_id:
        raise ClearanceMismatch("WRONG_RECIPIENT", "the clearance is for another person")
    if clearance.message_id != opened.message_id:
        raise ClearanceMismatch("WRONG_MESSAGE", "the clearance is for another message")
    if not opens(clearance.commitment, opened.content, opened.franking_key):
        raise ClearanceMismatch("COMMITMENT_MISMATCH", "this is not what policy screened")
    return clearance
