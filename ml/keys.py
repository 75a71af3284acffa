"""The Ed25519 keys that sign releases: PKCS 8 and SubjectPublicKeyInfo, both in PEM (RFC 8410)."""

import hashlib
import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ml.errors import KeyUnreadable


def read_or_make_signing_key(path: Path) -> Ed25519PrivateKey:
    """The private key in this file; made on first use, for its owner alone to read.

    The public half lies beside it with the ending `.pub`. Raises KeyUnreadable.
    """
    if path.exists():
        key = read_signing_key(path)
    else:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_once(path, _private_pem(Ed25519PrivateKey.generate()))
        key = read_signing_key(path)
    public_path = path.with_suffix(".pub")
    if not public_path.exists():
        write_public_key(public_path, key)
    return key


def write_public_key(path: Path, key: Ed25519PrivateKey) -> None:
    """Writes the public half of a key, in PEM."""
    path.write_bytes(key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ))  # fmt: skip


def read_public_key(path: Path) -> Ed25519PublicKey:
    """The public key in this file. Raises KeyUnreadable."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise KeyUnreadable(f"{path}: no public key in PEM can be read ({error})") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyUnreadable(f"{path}: not an Ed25519 key")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """A short name for a public key: the first 16 hexadecimal digits of its SHA-256."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """The private key in this file. Raises KeyUnreadable."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnreadable(f"{path}: no private key in PEM can be read ({error})") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnreadable(f"{path}: not an Ed25519 key")
    return key


def _write_once(path: Path, content: bytes) -> None:
    """Writes a file of mode 0600 whole or not at all; a file another process made first stays."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
