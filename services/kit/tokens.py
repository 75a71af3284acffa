"""Owns access tokens: JWTs (RFC 7519) signed with EdDSA (RFC 8037), and who they say is calling."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import jwt

from services.kit.access import Caller, CallerKind
from services.kit.clock import Clock, SystemClock, new_id
from services.kit.errors import CommonReasons, Refusal
from services.kit.signing import SigningKey
from services.kit.verification_keys import VerificationKeys

ISSUER = "hudhud"
ALGORITHM = "EdDSA"
# How far the clock of the signer may be ahead of ours.
CLOCK_SKEW_SECONDS_MAX = 60
_CLAIMS = ["iss", "sub", "kind", "iat", "exp", "jti"]


class Token(NamedTuple):
    """A token and when it ends."""

    text: str
    expire_time: datetime


class TokenSigner:
    """Signs tokens with one key."""

    def __init__(
        self, key: SigningKey, *, clock: Clock | None = None, issuer: str = ISSUER
    ) -> None:
        self._key = key
        self._clock = clock or SystemClock()
        self._issuer = issuer

    def sign(
        self,
        kind: CallerKind,
        subject: UUID | str,
        *,
        lifetime_seconds: int,
        device_id: UUID | None = None,
        country: str = "",
    ) -> Token:
        """A token for a business (`subject` is its id), a device (the person's id, with `device_id`
        and the person's `country`) or an operator (a name).
        """
        now = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "sub": str(subject),
            "kind": kind.value,
            "iat": now,
            "exp": now + lifetime_seconds,
            "jti": str(new_id()),
        }
        if device_id is not None:
            claims["device_id"] = str(device_id)
            claims["country"] = country
        text = jwt.encode(
            claims,
            self._key.for_cryptography(),
            algorithm=ALGORITHM,
            headers={"kid": self._key.key_id},
        )
        return Token(text, datetime.fromtimestamp(claims["exp"], UTC))


class TokenVerifier:
    """Says who calls by a token; remembers what it verified until the token ends."""

    def __init__(
        self,
        keys: VerificationKeys,
        *,
        clock: Clock | None = None,
        issuer: str = ISSUER,
        remembered_max: int = 50_000,
    ) -> None:
        self._keys = keys
        self._clock = clock or SystemClock()
        self._issuer = issuer
        self._remembered_max = remembered_max
        self._remembered: OrderedDict[str, Caller] = OrderedDict()

    async def caller(self, token: str) -> Caller:
        """Who calls. Raises the refusals TOKEN_INVALID and TOKEN_EXPIRED, and
        DEPENDENCY_UNAVAILABLE while the keys cannot be fetched.
        """
        caller = self._remembered.get(token)
        if caller is None:
            caller = await self._verify(token)
            self._remembered[token] = caller
            if len(self._remembered) > self._remembered_max:
                self._remembered.popitem(last=False)
        else:
            self._remembered.move_to_end(token)
        if caller.token_expire_time is None:
            raise AssertionError("a token always ends")
        if caller.token_expire_time <= self._clock.now().timestamp():
            del self._remembered[token]
            raise Refusal(CommonReasons.TOKEN_EXPIRED)
        return caller

    async def _verify(self, token: str) -> Caller:
        try:
            header = jwt.get_unverified_header(token)
            key = await self._keys.get(str(header.get("kid", "")))
            if key is None:
                raise Refusal(
                    CommonReasons.TOKEN_INVALID, "The token was signed by a key that is not known."
                )
            claims = jwt.decode(
                token,
                key.for_cryptography(),
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                # Times are compared with our own clock, below.
                options={"require": _CLAIMS, "verify_exp": False, "verify_iat": False},
            )
            if float(claims["iat"]) > self._clock.now().timestamp() + CLOCK_SKEW_SECONDS_MAX:
                raise Refusal(CommonReasons.TOKEN_INVALID, "The token is from the future.")
            return caller_of(claims)
        except (jwt.InvalidTokenError, KeyError, ValueError, TypeError) as error:
            raise Refusal(CommonReasons.TOKEN_INVALID) from error


def caller_of(claims: dict[str, Any]) -> Caller:
    """Who verified claims speak for. Raises KeyError, ValueError for claims of no known form."""
    kind = CallerKind(claims["kind"])
    expire_time = float(claims["exp"])
    if kind is CallerKind.BUSINESS:
        return Caller(kind, business_id=UUID(claims["sub"]), token_expire_time=expire_time)
    if kind is CallerKind.DEVICE:
        return Caller(
            kind,
            person_id=UUID(claims["sub"]),
            device_id=UUID(claims["device_id"]),
            country=str(claims["country"]),
            token_expire_time=expire_time,
        )
    if kind is CallerKind.OPERATOR:
        return Caller(kind, operator=str(claims["sub"]), token_expire_time=expire_time)
    raise ValueError(f"no token is for the kind {kind}")
