"""Owns the keys that sign tokens: one signs, others may still verify while they are replaced."""

from __future__ import annotations

import re

from services.kit.signing import SigningKey

_PEM = re.compile(rb"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", re.DOTALL)


def read_signing_keys(pem: bytes) -> tuple[SigningKey, ...]:
    """The Ed25519 private keys of a PEM file: the first signs, all verify.

    To replace a key without a token being refused: append the new one everywhere, then put it
    first, then remove the old one once its last token has ended. Raises ValueError.
    """
    keys = tuple(SigningKey.from_pem(block[0]) for block in _PEM.finditer(pem))
    if not keys:
        raise ValueError("holds no private key in PEM")
    return keys
