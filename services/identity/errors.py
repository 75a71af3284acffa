"""Owns why identity refuses."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from grpc import StatusCode

from services.kit.errors import Reason, Reasons, Refusal, Violation


class IdentityReasons(Reasons, domain="identity.hudhud"):
    """Every refusal that identity may answer with, besides the common ones."""

    BUSINESS_NOT_FOUND = Reason(
        StatusCode.NOT_FOUND,
        "There is no business with this id.",
        "Check the id; an operator registers businesses with CreateBusiness.",
    )
    BUSINESS_ID_REUSED = Reason(
        StatusCode.ALREADY_EXISTS,
        "Another business was registered under this id.",
        "Mint a new UUID for a new business.",
    )
    API_KEY_INVALID = Reason(
        StatusCode.UNAUTHENTICATED,
        "This is no API key in force, and not the operator's credential.",
        "Check that the whole key was sent and was not revoked, or create a new one.",
    )
    API_KEY_NOT_FOUND = Reason(
        StatusCode.NOT_FOUND,
        "The business has no API key with this id.",
        "Take an id from ListApiKeys.",
    )
    API_KEY_LIMIT = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The business has as many API keys in force as it may have.",
        "Revoke keys that are not used any more.",
    )
    INVALID_PHONE_NUMBER = Reason(
        StatusCode.INVALID_ARGUMENT,
        "This is not a person's phone number in E.164.",
        "Send it with a plus and the country's code: +963944123456.",
    )
    UNKNOWN_PERSON = Reason(
        StatusCode.NOT_FOUND,
        "Nobody with this phone number has a device.",
        "Reach the person in another way, or wait until they register.",
    )
    REGISTRATION_NOT_FOUND = Reason(
        StatusCode.NOT_FOUND,
        "There is no such registration, or it was completed by another device.",
        "Call StartRegistration for a new code.",
    )
    CODE_WRONG = Reason(
        StatusCode.INVALID_ARGUMENT,
        "This is not the code that was sent.",
        "Read the code again; the metadata says how many tries are left.",
    )
    CODE_EXPIRED = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The code was good for ten minutes, and they are over.",
        "Call StartRegistration for a new code.",
    )
    CODE_TRIES_EXHAUSTED = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The code was tried as often as it may be.",
        "Call StartRegistration for a new code.",
    )
    CODE_RATE_LIMITED = Reason(
        StatusCode.RESOURCE_EXHAUSTED,
        "Too many codes were asked for.",
        "Wait for the retry delay; a code that was sent is still good.",
    )
    CODE_NOT_SENT = Reason(
        StatusCode.UNAVAILABLE,
        "The code could not be sent to the phone.",
        "Call StartRegistration again after the retry delay.",
    )
    DEVICE_LIMIT = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The person has ten devices, which is as many as one may have.",
        "Revoke a device that is not used any more.",
    )
    DEVICE_NOT_FOUND = Reason(
        StatusCode.NOT_FOUND,
        "The person has no such device, or it was revoked.",
        "Take an id from ListDevices; a revoked device registers again.",
    )
    DEVICE_CREDENTIAL_INVALID = Reason(
        StatusCode.UNAUTHENTICATED,
        "This is not the credential of a device in force.",
        "Register the device again.",
    )
    KEY_SIGNATURE_INVALID = Reason(
        StatusCode.INVALID_ARGUMENT,
        "A published key does not carry the signature of its end.",
        "Sign each key with the end's Ed25519 key, over the context that the proto names.",
    )
    EDGE_KEYS_DIFFER = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The edge published other long-term keys for this business before.",
        "Restore the edge's keys; an edge that lost them takes a new edge id.",
    )


def business_not_found(business_id: UUID) -> Refusal:
    """The refusal that names the id."""
    return Refusal(IdentityReasons.BUSINESS_NOT_FOUND, metadata={"business_id": str(business_id)})


def key_signature_invalid(paths: Iterable[str]) -> Refusal:
    """The refusal that names the keys by their paths in the request."""
    return Refusal(
        IdentityReasons.KEY_SIGNATURE_INVALID,
        violations=[
            Violation(f"{path}.signature", "is not by the end's ed25519_key") for path in paths
        ],
    )
