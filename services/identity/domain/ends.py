"""Owns what ends publish: devices, their keys, and the signatures that hold the keys together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from services.kit.signing import VerifyingKey

DEVICES_MAX: Final = 10
# Beyond this many unclaimed one-time keys of an end, further ones are ignored.
ONE_TIME_KEYS_MAX: Final = 1000
# One-time keys of an end that one party (a business, a person) gets in a period; sessions are kept,
# so it takes one, and a few more when it loses its state. Beyond, it gets the fallback key.
CLAIMS_MAX: Final = 5
CLAIMS_PERIOD: Final = timedelta(days=1)

IDENTITY_KEY_CONTEXT: Final = "hudhud.identity_key.v1"
ONE_TIME_KEY_CONTEXT: Final = "hudhud.one_time_key.v1"
FALLBACK_KEY_CONTEXT: Final = "hudhud.fallback_key.v1"


class SignedKey(NamedTuple):
    """A Curve25519 key (32 bytes) with its end's Ed25519 signature (64 bytes)."""

    public_key: bytes
    signature: bytes


@dataclass(frozen=True)
class PublishedKeys:
    """What an end publishes. Without a fallback key, the one published before stays."""

    ed25519_key: bytes
    identity_key: SignedKey
    one_time_keys: Sequence[SignedKey]
    fallback_key: SignedKey | None

    def badly_signed(self) -> list[str]:
        """The paths of the keys whose signature is not by `ed25519_key`."""
        bad = badly_signed(self.ed25519_key, self.one_time_keys, self.fallback_key)
        if not is_signed(self.ed25519_key, IDENTITY_KEY_CONTEXT, self.identity_key):
            bad.append("identity_key")
        return bad


@dataclass(frozen=True)
class EndKeys:
    """The long-term public keys of one end."""

    end_id: UUID
    curve25519_key: bytes
    ed25519_key: bytes


@dataclass(frozen=True)
class KeyBundle:
    """What is needed to begin a session with one end."""

    end: EndKeys
    identity_key_signature: bytes
    session_key: SignedKey
    fallback: bool


@dataclass(frozen=True)
class Device:
    """A person's end."""

    device_id: UUID
    label: str
    create_time: datetime
    revoke_time: datetime | None = None


def badly_signed(
    ed25519_key: bytes, one_time_keys: Sequence[SignedKey], fallback_key: SignedKey | None
) -> list[str]:
    """The paths of the keys that `ed25519_key` did not sign, such as `one_time_keys[3]`.

    About 50 µs a key: long lists are checked beside the event loop.
    """
    return [
        path
        for path, context, key in _paths(one_time_keys, fallback_key)
        if not is_signed(ed25519_key, context, key)
    ]


def is_signed(ed25519_key: bytes, context: str, key: SignedKey) -> bool:
    """Whether the key carries `ed25519_key`'s signature in this context."""
    try:
        verifying_key = VerifyingKey(ed25519_key)
    except ValueError:
        return False
    return verifying_key.verify(context, key.public_key, key.signature)


def _paths(
    one_time_keys: Sequence[SignedKey], fallback_key: SignedKey | None
) -> Iterator[tuple[str, str, SignedKey]]:
    for index, key in enumerate(one_time_keys):
        yield f"one_time_keys[{index}]", ONE_TIME_KEY_CONTEXT, key
    if fallback_key is not None:
        yield "fallback_key", FALLBACK_KEY_CONTEXT, fallback_key
