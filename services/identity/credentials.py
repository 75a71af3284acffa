"""Owns secrets: making them, and hashing them so that what is stored cannot be used."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import argon2

_SECRET_BYTES: Final = 32

# OWASP's first choice for argon2id at 19 MiB. About 30 ms of one core: little for somebody who
# signs in every 15 minutes, much for somebody who tries out a stolen table.
_MEMORY_KIBIBYTES: Final = 19 * 1024
_PASSES: Final = 2
# Each hash in progress holds its memory and a core: further ones wait.
_AT_ONCE: Final = 2


def new_secret() -> str:
    """256 random bits in 43 characters."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def sha256(secret: str) -> bytes:
    """The hash for secrets of `new_secret`, which nobody can guess however fast they hash."""
    return hashlib.sha256(secret.encode()).digest()


def is_same(one: bytes, other: bytes) -> bool:
    """Whether two hashes are equal; in constant time."""
    return hmac.compare_digest(one, other)


class SecretHasher:
    """Hashes with argon2id (RFC 9106) beside the event loop, a few at a time."""

    def __init__(self) -> None:
        self._argon2 = argon2.PasswordHasher(
            time_cost=_PASSES, memory_cost=_MEMORY_KIBIBYTES, parallelism=1
        )
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2")

    async def hash(self, secret: str) -> str:
        """The hash with its parameters and salt, in the PHC string format."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._argon2.hash, secret)

    async def verify(self, secret_hash: str, secret: str) -> bool:
        """Whether `secret_hash` was made of `secret`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._verify, secret_hash, secret)

    def close(self) -> None:
        """End the threads; hashes that wait are not begun."""
        self._threads.shutdown(cancel_futures=True)

    def _verify(self, secret_hash: str, secret: str) -> bool:
        try:
            return self._argon2.verify(secret_hash, secret)
        except argon2.exceptions.VerifyMismatchError:
            return False
