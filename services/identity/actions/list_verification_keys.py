"""Owns ListVerificationKeys."""

from __future__ import annotations

from collections.abc import Sequence

from services.kit.signing import SigningKey, VerifyingKey


async def list_verification_keys(keys: Sequence[SigningKey]) -> list[VerifyingKey]:
    """The public halves, the one that signs now first."""
    return [key.verifying_key for key in keys]
