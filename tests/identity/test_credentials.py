"""Hashes of secrets: slow for whoever steals the table, quick for whoever is known."""

from __future__ import annotations

import asyncio

import pytest

from services.identity import credentials
from services.identity.credentials import SecretHasher, new_secret
from services.kit.coalesce import Overloaded


@pytest.mark.parametrize("how", ["made", "proven"])
async def test_a_secret_that_is_known_and_all_others_cost_no_hash(how: str) -> None:
    hasher, secret = SecretHasher(), new_secret()
    secret_hash = await hasher.hash(secret)
    if how == "proven":
        hasher = SecretHasher()
        assert await hasher.verify(secret_hash, secret)
    hasher.close()  # From here on nothing can be hashed.
    for _ in range(2):
        assert await hasher.verify(secret_hash, secret)
        assert not await hasher.verify(secret_hash, new_secret())
    with pytest.raises(RuntimeError):
        await hasher.verify("of another secret", secret)


async def test_what_was_wrong_at_first_is_not_what_is_known() -> None:
    secret, wrong = new_secret(), new_secret()
    secret_hash = await SecretHasher().hash(secret)
    hasher = SecretHasher()
    for _ in range(2):
        assert not await hasher.verify(secret_hash, wrong)
    assert await hasher.verify(secret_hash, secret)


async def test_known_secrets_are_forgotten_the_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(credentials, "_KNOWN_MAX", 1)
    hasher, older, newer = SecretHasher(), new_secret(), new_secret()
    hashes = {secret: await hasher.hash(secret) for secret in (older, newer)}
    hasher.close()
    assert await hasher.verify(hashes[newer], newer)
    with pytest.raises(RuntimeError):
        await hasher.verify(hashes[older], older)


async def test_more_than_can_be_hashed_in_time_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(credentials, "_WAITING_MAX", 1)
    hasher = SecretHasher()
    results = await asyncio.gather(
        *(hasher.hash(new_secret()) for _ in range(5)), return_exceptions=True
    )
    assert [isinstance(result, Overloaded) for result in results] == [False] * 3 + [True] * 2
    assert await hasher.hash(new_secret())
