"""Owns secrets: making them, and hashing them so that what is stored cannot be used."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import argon2

from services.kit.coalesce import Overloaded

R = TypeVar("R")

_SECRET_BYTES: Final = 32

# OWASP's first choice for argon2id at 19 MiB. About 30 ms of one core: little for somebody who
# signs in every 15 minutes, much for somebody who tries out a stolen table.
_MEMORY_KIBIBYTES: Final = 19 * 1024
_PASSES: Final = 2
# Each hash in progress holds its memory and a core: further ones wait, if not for longer than those
# who ask for them do.
_AT_ONCE: Final = 2
_WAITING_MAX: Final = 256
# About 300 bytes each.
_KNOWN_MAX: Final = 50_000


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
    """Hashes with argon2id (RFC 9106) beside the event loop, a few at a time.

    A hash has one secret. Once that was made or proven in this process, it and all others are told
    apart without argon2: nobody keeps the cores busy by sending wrong secrets.
    """

    def __init__(self) -> None:
        self._argon2 = argon2.PasswordHasher(
            time_cost=_PASSES, memory_cost=_MEMORY_KIBIBYTES, parallelism=1
        )
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2")
        self._in_progress = 0
        # By hash, what is known of its secret: a fast hash, under a key that ends with the process.
        self._known: dict[str, bytes] = {}
        self._key = secrets.token_bytes(32)

    async def hash(self, secret: str) -> str:
        """The hash with its parameters and salt, in the PHC string format. Raises Overloaded."""
        secret_hash = await self._beside(self._argon2.hash, secret)
        self._know(secret_hash, self._fast(secret))
        return secret_hash

    async def verify(self, secret_hash: str, secret: str) -> bool:
        """Whether `secret_hash` was made of `secret`. Raises Overloaded."""
        fast = self._fast(secret)
        known = self._known.get(secret_hash)
        if known is not None:
            return is_same(known, fast)
        if not await self._beside(self._verify, secret_hash, secret):
            return False
        self._know(secret_hash, fast)
        return True

    def close(self) -> None:
        """End the threads; hashes that wait are not begun."""
        self._threads.shutdown(cancel_futures=True)

    async def _beside(self, work: Callable[..., R], *arguments: str) -> R:
        if self._in_progress >= _AT_ONCE + _WAITING_MAX:
            raise Overloaded(f"{self._in_progress} secrets are being hashed already")
        self._in_progress += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, work, *arguments)
        finally:
            self._in_progress -= 1

    def _fast(self, secret: str) -> bytes:
        return hashlib.blake2b(secret.encode(), key=self._key, digest_size=32).digest()

    def _know(self, secret_hash: str, fast: bytes) -> None:
        self._known[secret_hash] = fast
        while len(self._known) > _KNOWN_MAX:
            # The oldest goes; whoever still uses its secret proves it once more.
            del self._known[next(iter(self._known))]

    def _verify(self, secret_hash: str, secret: str) -> bool:
        try:
            return self._argon2.verify(secret_hash, secret)
        except argon2.exceptions.VerifyMismatchError:
            return False
