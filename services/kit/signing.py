"""Owns signatures: Ed25519 keys (RFC 8032) from files, their ids, and what a signature is over."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import vodozemac
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

KEY_ID_LENGTH = 16


def key_id(public_bytes: bytes) -> str:
    """The id of a public key: the first 16 letters of its SHA-256 in base 32, lower case."""
    return base64.b32encode(hashlib.sha256(public_bytes).digest()).decode()[:KEY_ID_LENGTH].lower()


class VerifyingKey:
    """The public half of a key.

    Signatures are verified by vodozemac (47 µs for 300 bytes on the machine of the benchmark, where
    `cryptography` took 114 µs and PyNaCl 55 µs), strictly, so that no second signature can be made
    from a first one.
    """

    __slots__ = ("_key", "key_id", "public_bytes")

    def __init__(self, public_bytes: bytes) -> None:
        """Raises ValueError unless these are the 32 bytes of an Ed25519 key."""
        if len(public_bytes) != 32:
            raise ValueError("an Ed25519 public key has 32 bytes")
        try:
            self._key = vodozemac.Ed25519PublicKey.from_base64(_base64(public_bytes))
        except vodozemac.KeyException as error:
            raise ValueError("not a point of Ed25519") from error
        self.public_bytes = public_bytes
        self.key_id = key_id(public_bytes)

    def verify(self, domain: str, data: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over `data` in `domain`."""
        return self.verify_raw(_message(domain, data), signature)

    def verify_raw(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over the message itself, as JWTs and Olm have it."""
        if len(signature) != 64:
            return False
        try:
            self._key.verify_signature(
                message, vodozemac.Ed25519Signature.from_base64(_base64(signature))
            )
        except vodozemac.SignatureException:
            return False
        return True

    def for_cryptography(self) -> Ed25519PublicKey:
        """The same key as `cryptography` has it."""
        return Ed25519PublicKey.from_public_bytes(self.public_bytes)


class SigningKey:
    """A key that signs."""

    __slots__ = ("_key", "key_id", "public_bytes")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_bytes = key.public_key().public_bytes_raw()
        self.key_id = key_id(self.public_bytes)

    @classmethod
    def generate(cls) -> SigningKey:
        """A fresh key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes) -> SigningKey:
        """Read PKCS #8 PEM without a password. Raises ValueError for anything else."""
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("not an Ed25519 private key")
        return cls(key)

    @classmethod
    def from_file(cls, path: Path) -> SigningKey:
        """Read a PEM file. Raises OSError, or ValueError for what is not an Ed25519 key."""
        return cls.from_pem(path.read_bytes())

    def to_pem(self) -> bytes:
        """PKCS #8 PEM without a password."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def for_cryptography(self) -> Ed25519PrivateKey:
        """The same key as `cryptography` has it."""
        return self._key

    @property
    def verifying_key(self) -> VerifyingKey:
        """The public half."""
        return VerifyingKey(self.public_bytes)

    def sign(self, domain: str, data: bytes) -> bytes:
        """64 bytes over `domain`, a zero byte and `data`. The domain names what is signed, so that
        a signature made for one purpose is worth nothing for another.
        """
        return self._key.sign(_message(domain, data))

    def sign_raw(self, message: bytes) -> bytes:
        """64 bytes over the message itself, as JWTs have it."""
        return self._key.sign(message)


def _message(domain: str, data: bytes) -> bytes:
    return domain.encode("ascii") + b"\0" + data


def _base64(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode()
