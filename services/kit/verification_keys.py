"""Owns the public keys of a signer elsewhere: fetched when first needed, cached, kept fresh."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Mapping

from services.kit.clock import Clock, SystemClock
from services.kit.errors import CommonReasons, Refusal
from services.kit.signing import VerifyingKey

log = logging.getLogger(__name__)

# Asks the signer for all of its keys in force: public bytes by key id.
Fetch = Callable[[], Awaitable[Mapping[str, bytes]]]


class VerificationKeys:
    """The keys of one signer, by key id.

    Keys are refreshed beside the calls that use them once they are `age_seconds_max` old, and at
    once when a signature names an unknown key, but then at most every `pause_seconds`: a forger
    must not be able to keep the signer busy. While the signer does not answer, known keys stay good
    for `trust_seconds_max` after they were last confirmed.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        clock: Clock | None = None,
        age_seconds_max: float = 300.0,
        pause_seconds: float = 5.0,
        trust_seconds_max: float = 3600.0,
    ) -> None:
        self._fetch = fetch
        self._clock = clock or SystemClock()
        self._age_seconds_max = age_seconds_max
        self._pause_seconds = pause_seconds
        self._trust_seconds_max = trust_seconds_max
        self._keys: dict[str, VerifyingKey] = {}
        self._confirmed = float("-inf")
        self._tried = float("-inf")
        self._refresh: asyncio.Task[None] | None = None
        self._failed = False

    async def get(self, key_id: str) -> VerifyingKey | None:
        """The key, or None if the signer has none of this id. Raises the refusal
        DEPENDENCY_UNAVAILABLE where only the signer could tell and it does not answer.
        """
        age = self._clock.monotonic() - self._confirmed
        key = self._keys.get(key_id)
        if key is not None and age <= self._trust_seconds_max:
            if age > self._age_seconds_max and self._may_try():
                self._start_refresh()
            return key
        if self._refresh is not None or self._may_try():
            # The refresh outlives this call: others wait for the same one.
            await asyncio.shield(self._start_refresh())
        if self._failed:
            raise Refusal(
                CommonReasons.DEPENDENCY_UNAVAILABLE,
                "The keys that verify signatures cannot be fetched.",
                retry_after_seconds=self._pause_seconds,
            )
        return self._keys.get(key_id)

    def _may_try(self) -> bool:
        return self._clock.monotonic() - self._tried >= self._pause_seconds

    def _start_refresh(self) -> asyncio.Task[None]:
        if self._refresh is None:
            self._tried = self._clock.monotonic()
            # In a context of its own: the refresh is nobody's call.
            self._refresh = asyncio.get_running_loop().create_task(
                self._run_refresh(), context=contextvars.Context()
            )
        return self._refresh

    async def _run_refresh(self) -> None:
        try:
            fetched = await self._fetch()
            self._keys = {key_id: VerifyingKey(public) for key_id, public in fetched.items()}
            self._confirmed = self._clock.monotonic()
            self._failed = False
        except Exception as error:
            self._failed = True
            log.warning(
                "verification keys cannot be fetched", extra={"error": type(error).__qualname__}
            )
        finally:
            self._refresh = None
