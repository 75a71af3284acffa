"""Owns the forms on the wire of what identity knows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from hudhud.identity.v1 import business_pb2, device_pb2, identity_service_pb2
from services.identity.actions.get_business_profile import BusinessProfile
from services.identity.domain import businesses, ends
from services.kit.errors import Refusal
from services.kit.tokens import Token


def timestamp(time: datetime) -> Timestamp:
    """A time."""
    proto = Timestamp()
    proto.FromDatetime(time)
    return proto


def business(value: businesses.Business) -> business_pb2.Business:
    """A business."""
    return business_pb2.Business(
        business_id=str(value.business_id),
        display_name=value.display_name,
        localized_display_names=value.localized_display_names,
        create_time=timestamp(value.create_time),
    )


def api_key(value: businesses.ApiKey) -> business_pb2.ApiKey:
    """The public part of a key."""
    return business_pb2.ApiKey(
        api_key_id=businesses.api_key_name(value.api_key_id),
        business_id=str(value.business_id),
        label=value.label,
        create_time=timestamp(value.create_time),
        revoke_time=timestamp(value.revoke_time) if value.revoke_time else None,
    )


def access_token(value: Token) -> identity_service_pb2.AccessToken:
    """A token and when it ends."""
    return identity_service_pb2.AccessToken(
        token=value.text, expire_time=timestamp(value.expire_time)
    )


def device(value: ends.Device) -> device_pb2.Device:
    """A person's end."""
    return device_pb2.Device(
        device_id=str(value.device_id),
        label=value.label,
        create_time=timestamp(value.create_time),
        revoke_time=timestamp(value.revoke_time) if value.revoke_time else None,
    )


def end_keys(value: ends.EndKeys) -> business_pb2.EndKeys:
    """The long-term keys of an end."""
    return business_pb2.EndKeys(
        end_id=str(value.end_id),
        curve25519_key=value.curve25519_key,
        ed25519_key=value.ed25519_key,
    )


def key_bundle(value: ends.KeyBundle) -> device_pb2.KeyBundle:
    """What begins a session."""
    return device_pb2.KeyBundle(
        end=end_keys(value.end),
        identity_key_signature=value.identity_key_signature,
        session_key=device_pb2.SignedKey(
            public_key=value.session_key.public_key, signature=value.session_key.signature
        ),
        fallback=value.fallback,
    )


def business_profile(value: BusinessProfile) -> business_pb2.BusinessProfile:
    """A business as one person sees it."""
    return business_pb2.BusinessProfile(
        business=business(value.business),
        contact_id=value.contact_id,
        edges=[end_keys(edge) for edge in value.edges],
    )


def contact_outcome(value: str | Refusal) -> identity_service_pb2.ContactOutcome:
    """A contact id, or why there is none."""
    if isinstance(value, Refusal):
        return identity_service_pb2.ContactOutcome(refusal=value.to_proto())
    return identity_service_pb2.ContactOutcome(contact_id=value)


def published_keys_of(proto: device_pb2.PublishedKeys) -> ends.PublishedKeys:
    """What an end publishes."""
    return ends.PublishedKeys(
        ed25519_key=proto.ed25519_key,
        identity_key=signed_key_of(proto.identity_key),
        one_time_keys=signed_keys_of(proto.one_time_keys),
        fallback_key=signed_key_of(proto.fallback_key) if proto.HasField("fallback_key") else None,
    )


def signed_key_of(proto: device_pb2.SignedKey) -> ends.SignedKey:
    """A key with its signature."""
    return ends.SignedKey(proto.public_key, proto.signature)


def signed_keys_of(protos: Iterable[device_pb2.SignedKey]) -> list[ends.SignedKey]:
    """Keys with their signatures."""
    return [signed_key_of(proto) for proto in protos]
