"""Sealing for devices: sessions that are begun, used in order, stored, and replaced in time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import grpc

from hudhud.identity.v1 import device_pb2
from services.ends.edge.accounts import Accounts
from services.ends.edge.domain import EndKeys, Sealed
from services.ends.edge.errors import EdgeReasons
from services.ends.edge.ports import Identity
from services.ends.edge.store import Store, StoredSession, Use
from services.ends.edge.vault import Vault
from services.ends.sealing.sessions import MESSAGE_GAP_MAX, Session
from services.kit.clock import Clock
from services.kit.errors import Refusal

DeviceKey: TypeAlias = tuple[str, str]  # business_id, end_id

# A session with so many unconfirmed messages is replaced. When one of them is confirmed, those that
# were sealed after it may all still be lost, and so may as many again: together, with the batch at
# hand, no more than a ratchet can skip.
UNCONFIRMED_MAX: Final = MESSAGE_GAP_MAX // 2 - 256
SESSIONS_REMEMBERED_MAX: Final = 20_000
# While identity does not answer, who has a session should not wait for those who have none.
CLAIM_PAUSE_SECONDS: Final = 5.0

_UNANSWERED: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass(frozen=True, slots=True)
class SealRequest:
    """One plaintext for all devices of one contact."""

    business_id: str
    contact_id: str
    devices: tuple[EndKeys, ...]
    plaintext: bytes


@dataclass(slots=True)
class _Open:
    """A session in memory, and as it is stored."""

    session: Session
    stored: StoredSession


@dataclass(frozen=True, slots=True)
class _Recipient:
    """A device, whose it is, and what to seal for it, in order, by the place of the request."""

    device: EndKeys
    contact_id: str
    plaintexts: list[tuple[int, bytes]]


class SessionBook:
    """The sessions that this edge process seals with.

    Give it one batch at a time, and let them leave in that order: the order of sealing has to be
    the order of delivery. The database has the last word on every session: it takes a new
    state only over the version that was read, and whoever changes or retires a session elsewhere
    (opening an answer, say) needs to tell nobody.
    """

    def __init__(
        self, store: Store, accounts: Accounts, identity: Identity, vault: Vault, clock: Clock
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._identity = identity
        self._vault = vault
        self._clock = clock
        self._open: dict[DeviceKey, _Open] = {}  # The one used last comes last.
        self._to_retire: set[DeviceKey] = set()
        self._claim_from = float("-inf")

    async def seal(self, requests: Sequence[SealRequest]) -> list[tuple[Sealed, ...] | Refusal]:
        """Ciphertexts for each request, after the state that follows them is stored.

        A request is refused when no session with any of its devices can be had.
        """
        await self._retire()
        recipients = _by_device(requests)
        sealed: dict[tuple[int, DeviceKey], Sealed] = {}
        waiting = set(recipients)
        while waiting:
            # Taken out until they are stored: whatever fails on the way, what is in memory and not
            # in the database is gone.
            sessions = await self._take({key: recipients[key] for key in waiting})
            fresh = {
                (position, key): Sealed(key[1], *entry.session.seal(plaintext))
                for key, entry in sessions.items()
                for position, plaintext in recipients[key].plaintexts
            }
            # What conflicts has not left and never will. It is sealed again from what is stored.
            waiting = await self._store_sealed(sessions, recipients)
            sealed.update({place: one for place, one in fresh.items() if place[1] not in waiting})
        return [_envelopes(position, request, sealed) for position, request in enumerate(requests)]

    def forget(self, keys: Iterable[DeviceKey]) -> None:
        """Reads these sessions from the database the next time, which saves a conflict."""
        for key in keys:
            self._open.pop(key, None)

    def retire(self, requests: Sequence[SealRequest]) -> None:
        """Begins new sessions with these devices the next time.

        For when nobody knows which of the last batch reached messaging, or will: sealing on in the
        same sessions could put later messages before earlier ones.
        """
        self._to_retire.update(_by_device(requests))
        self.forget(self._to_retire)

    async def _retire(self) -> None:
        if self._to_retire:
            await self._store.retire_sessions(self._to_retire, self._clock.now())
            self._to_retire.clear()

    async def _take(self, recipients: Mapping[DeviceKey, _Recipient]) -> dict[DeviceKey, _Open]:
        """A session with each device, as far as it can be had: from memory, stored, or new."""
        remembered = {key: self._open.pop(key) for key in recipients if key in self._open}
        usable = {key: entry for key, entry in remembered.items() if _is_usable(entry)}
        # What looks used up in memory may have been confirmed in the meantime.
        unread = [key for key in recipients if key not in usable]
        if unread:
            for stored in await self._store.sealing_sessions(unread):
                session = Session.from_pickle(stored.pickle, self._vault.pickle_key)
                entry = _Open(session, stored)
                if _is_usable(entry):
                    usable[stored.business_id, stored.end_id] = entry
        lacking = {key: recipients[key] for key in recipients if key not in usable}
        return usable | await self._begin(lacking)

    async def _store_sealed(
        self, sessions: Mapping[DeviceKey, _Open], recipients: Mapping[DeviceKey, _Recipient]
    ) -> set[DeviceKey]:
        """Stores sessions and keeps them; returns the devices whose session had changed."""
        if not sessions:
            return set()
        uses = [
            Use(
                entry.stored,
                entry.session.pickle(self._vault.pickle_key),
                len(recipients[key].plaintexts),
            )
            for key, entry in sessions.items()
        ]
        unconfirmed = await self._store.save_sealed(uses, self._clock.now())
        conflicting = set()
        for key, entry in sessions.items():
            count = unconfirmed.get(entry.stored.key)
            if count is None:
                conflicting.add(key)
                continue
            entry.stored = replace(
                entry.stored, version=entry.stored.version + 1, unconfirmed_count=count
            )
            self._open[key] = entry
        while len(self._open) > SESSIONS_REMEMBERED_MAX:
            del self._open[next(iter(self._open))]
        return conflicting

    async def _begin(self, recipients: Mapping[DeviceKey, _Recipient]) -> dict[DeviceKey, _Open]:
        """New sessions with those of the devices whose keys can be had and are sound."""
        if self._clock.monotonic() < self._claim_from:
            return {}
        by_business: dict[str, dict[str, _Recipient]] = defaultdict(dict)
        for (business_id, end_id), recipient in recipients.items():
            by_business[business_id][end_id] = recipient
        begun = await asyncio.gather(
            *(self._begin_for(business_id, them) for business_id, them in by_business.items())
        )
        return {
            (entry.stored.business_id, entry.stored.end_id): entry
            for entries in begun
            for entry in entries
        }

    async def _begin_for(
        self, business_id: str, recipients: Mapping[str, _Recipient]
    ) -> list[_Open]:
        loaded = await self._accounts.load(business_id)
        if loaded is None:
            return []
        try:
            bundles = await self._identity.claim_key_bundles(business_id, list(recipients))
        except Refusal as refusal:
            if refusal.reason.status in _UNANSWERED:
                self._claim_from = self._clock.monotonic() + CLAIM_PAUSE_SECONDS
            return []
        account, _ = loaded
        begun = []
        for end_id, bundle in bundles.items():
            recipient = recipients.get(end_id)
            if recipient is None or not _is_of(bundle, recipient.device):
                continue
            try:
                session = account.begin_session(bundle)
            except ValueError:
                continue  # Badly signed, or no key at all.
            stored = StoredSession(
                business_id, end_id, session.session_id, recipient.contact_id, pickle=""
            )
            begun.append(_Open(session, stored))
        return begun


def _is_usable(entry: _Open) -> bool:
    return entry.stored.unconfirmed_count < UNCONFIRMED_MAX


def _by_device(requests: Sequence[SealRequest]) -> dict[DeviceKey, _Recipient]:
    recipients: dict[DeviceKey, _Recipient] = {}
    for position, request in enumerate(requests):
        for device in request.devices:
            recipient = recipients.setdefault(
                (request.business_id, device.end_id), _Recipient(device, request.contact_id, [])
            )
            recipient.plaintexts.append((position, request.plaintext))
    return recipients


def _envelopes(
    position: int, request: SealRequest, sealed: Mapping[tuple[int, DeviceKey], Sealed]
) -> tuple[Sealed, ...] | Refusal:
    envelopes = tuple(
        sealed[position, key]
        for device in request.devices
        if (position, key := (request.business_id, device.end_id)) in sealed
    )
    if not envelopes:
        return Refusal(EdgeReasons.KEYS_UNAVAILABLE, retry_after_seconds=CLAIM_PAUSE_SECONDS)
    return envelopes


def _is_of(bundle: device_pb2.KeyBundle, device: EndKeys) -> bool:
    """Whether a bundle has the long-term keys of the device that messages are for."""
    end = bundle.end
    return (end.curve25519_key, end.ed25519_key) == (device.curve25519_key, device.ed25519_key)
