"""Encryption of what the edge stores: pickles and events, under keys derived from one secret."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


def derive(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose (HKDF-SHA256, RFC 5869)."""
    return HKDF(hashes.SHA256(), 32, salt=None, info=purpose.encode()).derive(secret)


class Vault:
    """Seals what is stored, bound to where it is stored."""

    def __init__(self, secret: bytes) -> None:
        """Raises ValueError for a secret of less than 32 bytes."""
        if len(secret) < 32:
            raise ValueError("the edge's storage key needs at least 32 bytes")
        self.pickle_key = derive(secret, "hudhud.edge.pickle.v1")
        self._cipher = AESGCM(derive(secret, "hudhud.edge.events.v1"))

    def seal(self, payload: bytes, place: str) -> bytes:
        """AES-256-GCM with a random nonce in front; `place` must be named again to open it."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, payload, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """What was sealed. Raises cryptography.exceptions.InvalidTag for anything else."""
        return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
