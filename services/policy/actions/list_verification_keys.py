"""Owns ListVerificationKeys."""

from __future__ import annotations

from collections.abc import Sequence

from services.kit.signing import VerifyingKey
from services.policy.clearances import Clearances


async def list_verification_keys(clearances: Clearances) -> Sequence[VerifyingKey]:
    """The keys in force, the one that signs now first."""
    return clearances.keys
