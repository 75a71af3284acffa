"""Tokens and the keys that verify them."""

import asyncio
import base64
import json
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from services.kit.access import CallerKind
from services.kit.clock import ManualClock, new_id
from services.kit.errors import CommonReasons, Refusal
from services.kit.signing import SigningKey
from services.kit.tokens import TokenSigner, TokenVerifier
from services.kit.verification_keys import VerificationKeys
from tests.fixtures.waiting import eventually

BUSINESS_ID = new_id()


class Identity:
    """A signer elsewhere: its keys, and how often it was asked for them."""

    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.key = SigningKey.generate()
        self.public = {self.key.key_id: self.key.public_bytes}
        self.asked = 0
        self.failing = False
        self.keys = VerificationKeys(self.fetch, clock=self.clock)
        self.verifier = TokenVerifier(self.keys, clock=self.clock)

    async def fetch(self) -> dict[str, bytes]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.failing:
            raise ConnectionError("away")
        return dict(self.public)

    def token(self, **more: Any) -> str:
        signer = TokenSigner(more.pop("key", self.key), clock=self.clock, **more)
        return signer.sign(CallerKind.BUSINESS, BUSINESS_ID, lifetime_seconds=900).text

    async def refusal(self, token: str) -> Refusal:
        with pytest.raises(Refusal) as caught:
            await self.verifier.caller(token)
        return caught.value


async def test_a_token_says_who_calls_until_it_ends() -> None:
    identity = Identity()
    token = identity.token()
    identity.clock.advance(899)
    caller = await identity.verifier.caller(token)
    assert (caller.kind, caller.business_id) == (CallerKind.BUSINESS, BUSINESS_ID)
    identity.clock.advance(1)
    assert (await identity.refusal(token)).has(CommonReasons.TOKEN_EXPIRED)
    assert (await identity.refusal(token)).has(CommonReasons.TOKEN_EXPIRED)


async def test_a_device_token_carries_person_device_and_country() -> None:
    identity = Identity()
    person_id, device_id = new_id(), new_id()
    token = TokenSigner(identity.key, clock=identity.clock).sign(
        CallerKind.DEVICE, person_id, lifetime_seconds=900, device_id=device_id, country="SY"
    )
    caller = await identity.verifier.caller(token.text)
    assert (caller.person_id, caller.device_id, caller.country) == (person_id, device_id, "SY")
    assert (token.expire_time - identity.clock.now()).total_seconds() == 900


async def test_a_forged_token_is_refused() -> None:
    identity = Identity()
    good = identity.token()
    header, claims, signature = good.split(".")

    def encoded(part: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()

    read = jwt.decode(good, options={"verify_signature": False})
    stranger = SigningKey.generate()
    own_kid = {"alg": "EdDSA", "typ": "JWT", "kid": identity.key.key_id}
    forged = [
        f"{header}.{encoded({**read, 'sub': str(new_id())})}.{signature}",
        f"{encoded({**own_kid, 'alg': 'none'})}.{claims}.",
        jwt.encode(read, identity.key.public_bytes, "HS256", {"kid": identity.key.key_id}),
        jwt.encode(read, stranger.for_cryptography(), "EdDSA", {"kid": identity.key.key_id}),
        identity.token(key=stranger),
        identity.token(issuer="somebody"),
        good.replace(".", "", 1),
        "",
    ]
    for token in forged:
        assert (await identity.refusal(token)).has(CommonReasons.TOKEN_INVALID)
    assert (await identity.verifier.caller(good)).business_id == BUSINESS_ID


@pytest.mark.parametrize(
    "change",
    [{"kind": "service"}, {"kind": "anyone"}, {"sub": "nobody"}, {"kind": "device"}, {"exp": "x"}],
)
async def test_claims_of_no_known_form_are_refused(change: dict[str, str]) -> None:
    identity = Identity()
    claims = {**jwt.decode(identity.token(), options={"verify_signature": False}), **change}
    token = jwt.encode(
        claims, identity.key.for_cryptography(), "EdDSA", {"kid": identity.key.key_id}
    )
    assert (await identity.refusal(token)).has(CommonReasons.TOKEN_INVALID)


async def test_a_token_from_the_future_is_refused() -> None:
    identity = Identity()
    signer_clock = ManualClock(identity.clock.now())
    signer_clock.advance(61)
    signer = TokenSigner(identity.key, clock=signer_clock)
    token = signer.sign(CallerKind.BUSINESS, BUSINESS_ID, lifetime_seconds=900).text
    assert (await identity.refusal(token)).has(CommonReasons.TOKEN_INVALID)
    identity.clock.advance(1)
    assert (await identity.verifier.caller(token)).business_id == BUSINESS_ID


async def test_a_verified_token_costs_nothing_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    identity = Identity()
    token = identity.token()
    caller = await identity.verifier.caller(token)
    monkeypatch.setattr(jwt, "decode", None)
    assert await identity.verifier.caller(token) is caller
    assert identity.asked == 1


async def test_only_so_many_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = Identity()
    identity.verifier = TokenVerifier(identity.keys, clock=identity.clock, remembered_max=2)
    first, second, third = (identity.token() for _ in range(3))
    for token in (first, second, first, third):
        await identity.verifier.caller(token)
    monkeypatch.setattr(jwt, "decode", None)
    for token in (first, third):
        await identity.verifier.caller(token)
    await identity.refusal(second)  # it would have to be verified again


# --- Verification keys ------------------------------------------------------------------------


async def test_keys_are_asked_for_once_however_many_wait() -> None:
    identity = Identity()
    key_id = identity.key.key_id
    found = await asyncio.gather(*(identity.keys.get(key_id) for _ in range(20)))
    assert {key.key_id for key in found if key} == {key_id}
    assert identity.asked == 1


async def test_an_unknown_key_is_looked_for_but_not_again_and_again() -> None:
    identity = Identity()
    assert await identity.keys.get(identity.key.key_id)
    identity.clock.advance(5)
    new = SigningKey.generate()
    assert await identity.keys.get(new.key_id) is None
    identity.public[new.key_id] = new.public_bytes
    assert await identity.keys.get(new.key_id) is None
    assert identity.asked == 2
    identity.clock.advance(5)
    assert await identity.keys.get(new.key_id)
    assert identity.asked == 3


async def test_old_keys_are_refreshed_beside_the_calls_and_revoked_ones_go() -> None:
    identity = Identity()
    key_id = identity.key.key_id
    assert await identity.keys.get(key_id)
    identity.public.clear()
    identity.clock.advance(299)
    assert await identity.keys.get(key_id)
    assert identity.asked == 1
    identity.clock.advance(2)
    assert await identity.keys.get(key_id)  # does not wait for the refresh that it starts

    async def is_gone() -> bool:
        return await identity.keys.get(key_id) is None

    await eventually(is_gone)
    assert identity.asked == 2


async def test_known_keys_stay_good_for_a_while_when_the_signer_is_away() -> None:
    identity = Identity()
    key_id = identity.key.key_id
    assert await identity.keys.get(key_id)
    identity.failing = True
    identity.clock.advance(3600)
    assert await identity.keys.get(key_id)
    identity.clock.advance(1)
    with pytest.raises(Refusal) as caught:
        await identity.keys.get(key_id)
    assert caught.value.has(CommonReasons.DEPENDENCY_UNAVAILABLE)
    identity.failing = False
    identity.clock.advance(5)
    assert await identity.keys.get(key_id)


async def test_a_token_is_not_called_bad_because_the_signer_is_away() -> None:
    identity = Identity()
    identity.failing = True
    token = identity.token()
    refusal = await identity.refusal(token)
    assert refusal.has(CommonReasons.DEPENDENCY_UNAVAILABLE)
    assert refusal.retry_after_seconds == 5
    identity.failing = False
    identity.clock.advance(5)
    assert (await identity.verifier.caller(token)).business_id == BUSINESS_ID
