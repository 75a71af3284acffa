"""Commitments: what was screened is what arrives (message franking).

A commitment is HMAC-SHA256 of the content under a fresh franking key that travels inside the seal
(Grubbs, Lu, Ristenpart: "Message Franking via Committing Authenticated Encryption", CRYPTO 2017).
HMAC-SHA256 binds its key and message; AES-GCM in its place would not ("invisible salamanders").
"""

from __future__ import annotations

import hashlib
import hmac

FRANKING_KEY_BYTES = 32
COMMITMENT_BYTES = 32


def commit(content: bytes, franking_key: bytes) -> bytes:
    """The commitment to `content`: 32 bytes."""
    return hmac.digest(franking_key, content, "sha256")


def opens(commitment: bytes, content: bytes, franking_key: bytes) -> bool:
    """Whether `commitment` is the one to this content under this key."""
    if len(franking_key) != FRANKING_KEY_BYTES or len(commitment) != COMMITMENT_BYTES:
        return False
    return hmac.compare_digest(commit(content, franking_key), commitment)


def derive_franking_key(secret: bytes, message_id: str, content: bytes) -> bytes:
    """The franking key of one message: 32 bytes, different for every message and content.

    Derived rather than drawn, so that a business's program that sends a message again gets the same
    commitment, which is how policy knows the repetition from another message under the same id.
    `secret` never leaves the sending end; who lacks it cannot tell the key from a random one.
    """
    digest = hashlib.sha256(content).digest()
    return hmac.digest(secret, b"hudhud.franking_key.v1\0" + message_id.encode() + digest, "sha256")
