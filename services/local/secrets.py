"""The keys and secrets of one state folder: made once, readable by their owner alone."""

import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.local.private_files import private_folder, write_private


class Secrets:
    """Where each secret lies. Asking for one makes it, the first time."""

    def __init__(self, folder: Path) -> None:
        self.folder = private_folder(folder)

    @property
    def token_signing_key(self) -> Path:
        """Identity signs tokens with it: Ed25519, PKCS #8 in PEM."""
        return self._signing_key("token-signing")

    @property
    def clearance_signing_key(self) -> Path:
        """Policy signs clearances with it: Ed25519, PKCS #8 in PEM."""
        return self._signing_key("clearance-signing")

    @property
    def pairwise_secret(self) -> Path:
        """Makes the ids by which businesses know persons: 64 bytes (AES-256-SIV) in hexadecimal.

        Changing it would make every such id mean somebody else; it must be backed up.
        """
        return self._random("pairwise", 64)

    @property
    def edge_storage_key(self) -> Path:
        """The edge stores sessions and contents encrypted under it: 32 bytes in hexadecimal."""
        return self._random("edge-storage", 32)

    @property
    def edge_franking_secret(self) -> Path:
        """The edge derives each message's franking key from it: 32 bytes in hexadecimal."""
        return self._random("edge-franking", 32)

    def _signing_key(self, name: str) -> Path:
        file = self.folder / f"{name}.pem"
        if not file.exists():
            key = Ed25519PrivateKey.generate()
            write_private(
                file,
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
            )
        return file

    def _random(self, name: str, length_bytes: int) -> Path:
        file = self.folder / f"{name}.hex"
        if not file.exists():
            write_private(file, secrets.token_hex(length_bytes).encode())
        return file
