"""Whom messages go to: numbers to contacts, contacts to devices, remembered a while."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from services.ends.edge.domain import EndKeys
from services.ends.edge.ports import Identity
from services.kit.clock import Clock
from services.kit.errors import Refusal

V = TypeVar("V")


class Remembered(Generic[V]):
    """Answers that stay true for some seconds; the oldest go when there are too many."""

    def __init__(self, clock: Clock, seconds: float, entries_max: int = 100_000) -> None:
        self._clock = clock
        self._seconds = seconds
        self._entries_max = entries_max
        self._entries: dict[tuple[str, ...], tuple[float, V]] = {}

    def get(self, key: tuple[str, ...]) -> V | None:
        """What was remembered and is still fresh."""
        entry = self._entries.get(key)
        if entry is None or entry[0] <= self._clock.monotonic():
            return None
        return entry[1]

    def put(self, key: tuple[str, ...], value: V) -> None:
        """Remembers from now on."""
        if len(self._entries) >= self._entries_max:
            self._entries.pop(next(iter(self._entries)))
        self._entries[key] = (self._clock.monotonic() + self._seconds, value)

    def forget(self, key: tuple[str, ...]) -> None:
        """Asks again the next time."""
        self._entries.pop(key, None)


class Contacts:
    """The people that businesses reach through this edge.

    A device that a person adds is reached once the remembered list has run out, which is how long
    a stale answer can matter; messages already sent are not sent again to a new device.
    """

    def __init__(self, identity: Identity, clock: Clock, remember_seconds: float) -> None:
        self._identity = identity
        self._numbers: Remembered[str] = Remembered(clock, remember_seconds)
        self._devices: Remembered[list[EndKeys]] = Remembered(clock, remember_seconds)

    async def resolve(
        self, wanted: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], str | Refusal]:
        """The contact of each (business_id, phone_number), or why there is none."""
        answers: dict[tuple[str, str], str | Refusal] = {}
        missing: dict[str, set[str]] = defaultdict(set)
        for key in wanted:
            known = self._numbers.get(key)
            if known is not None:
                answers[key] = known
            else:
                missing[key[0]].add(key[1])

        async def ask(business_id: str, numbers: Sequence[str]) -> None:
            outcomes: Sequence[str | Refusal]
            try:
                outcomes = await self._identity.resolve_contacts(business_id, numbers)
            except Refusal as refusal:
                outcomes = [refusal] * len(numbers)
            for number, outcome in zip(numbers, outcomes, strict=True):
                answers[business_id, number] = outcome
                if isinstance(outcome, str):
                    self._numbers.put((business_id, number), outcome)

        await asyncio.gather(*(ask(business, sorted(them)) for business, them in missing.items()))
        return answers

    async def devices(
        self, wanted: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], list[EndKeys] | Refusal]:
        """The devices of each (business_id, contact_id)."""
        answers: dict[tuple[str, str], list[EndKeys] | Refusal] = {}
        missing: dict[str, set[str]] = defaultdict(set)
        for key in wanted:
            known = self._devices.get(key)
            if known is not None:
                answers[key] = known
            else:
                missing[key[0]].add(key[1])

        async def ask(business_id: str, contact_ids: Sequence[str]) -> None:
            try:
                found = await self._identity.list_devices(business_id, contact_ids)
            except Refusal as refusal:
                answers.update({(business_id, contact_id): refusal for contact_id in contact_ids})
                return
            for contact_id in contact_ids:
                devices = found.get(contact_id, [])
                answers[business_id, contact_id] = devices
                if devices:  # A person without a device may get one at any moment.
                    self._devices.put((business_id, contact_id), devices)

        await asyncio.gather(*(ask(business, sorted(them)) for business, them in missing.items()))
        return answers

    def forget_devices(self, contacts: Iterable[tuple[str, str]]) -> None:
        """Asks identity again the next time for these (business_id, contact_id)."""
        for contact in contacts:
            self._devices.forget(contact)
