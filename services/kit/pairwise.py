"""Owns ids that one party alone knows another by: sealed, deterministic, opened without a table."""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_BYTES_MIN = 32
_SEALED_LENGTH = 55  # 16 bytes of tag, 16 of subject and 2 of tag text, in base 32


class PairwiseIds:
    """Makes and opens ids with AES-SIV (RFC 5297) under one secret.

    The same scope, subject and tag always give the same id; ids of two scopes cannot be linked
    without the secret; an id that was not made under it, or for another scope, does not open.
    """

    def __init__(self, secret: bytes, prefix: str = "c_") -> None:
        """Raises ValueError for a secret of less than 32 bytes."""
        if len(secret) < SECRET_BYTES_MIN:
            raise ValueError(f"a pairwise secret needs at least {SECRET_BYTES_MIN} bytes")
        key = HKDF(hashes.SHA256(), 64, salt=None, info=b"hudhud.pairwise.v1").derive(secret)
        self._cipher = AESSIV(key)
        self._prefix = prefix

    def seal(self, scope: UUID, subject: UUID, tag: str) -> str:
        """The id of `subject` within `scope`; `tag` is two ASCII characters that come back."""
        tag_bytes = tag.encode("ascii")
        if len(tag_bytes) != 2:
            raise ValueError("a tag has two ASCII characters")
        sealed = self._cipher.encrypt(subject.bytes + tag_bytes, [scope.bytes])
        return self._prefix + base64.b32encode(sealed).decode().rstrip("=").lower()

    def open(self, scope: UUID, sealed: str) -> tuple[UUID, str] | None:
        """The subject and the tag, or None if `sealed` is not an id of this scope."""
        text = sealed.removeprefix(self._prefix)
        if len(text) != _SEALED_LENGTH or len(sealed) != len(self._prefix) + _SEALED_LENGTH:
            return None
        try:
            data = base64.b32decode(text.upper() + "=")
            opened = self._cipher.decrypt(data, [scope.bytes])
        except (binascii.Error, InvalidTag, ValueError):
            return None
        # Base 32 leaves three bits over and ignores case: one id has one spelling.
        if base64.b32encode(data).decode().rstrip("=").lower() != text:
            return None
        return UUID(bytes=opened[:16]), opened[16:].decode("ascii")
