"""Sealing for devices: sessions that are begun, used in order, stored and retired in time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from services.ends.edge.accounts import Accounts
from services.ends.edge.domain import EndKeys, Sealed
from services.ends.edge.errors import EdgeReasons
from services.ends.edge.ports import Identity
from services.ends.edge.store import Store, StoredSession
from services.ends.edge.vault import Vault
from services.ends.sealing.accounts import KeySignatureInvalid
from services.ends.sealing.sessions import MESSAGE_GAP_MAX, Session
from services.kit.errors import Refusal

DeviceKey: TypeAlias = tuple[str, str]  # business_id, end_id

# Well before the gap at which a device could not follow any more, counting what is still under way.
UNCONFIRMED_MAX: Final = MESSAGE_GAP_MAX - 500
SESSIONS_REMEMBERED_MAX: Final = 20_000


@dataclass(slots=True)
class _Open:
    """A session that this process seals with, as it is in memory and, but for changes, stored."""

    session: Session
    stored: StoredSession


@dataclass(frozen=True, slots=True)
class SealRequest:
    """One plaintext for all devices of one contact."""

    business_id: str
    contact_id: str
    devices: tuple[EndKeys, ...]
    plaintext: bytes


class SessionBook:
    """The sessions of this edge process.

    One at a time (`lock`): a ratchet moves in one order only, and what is stored is what was last
    sealed. The lock is shared with whoever opens envelopes with the same sessions.
    """

    def __init__(self, store: Store, accounts: Accounts, identity: Identity, vault: Vault) -> None:
        self.lock = asyncio.Lock()
        self._store = store
        self._accounts = accounts
        self._identity = identity
        self._vault = vault
        self._open: dict[DeviceKey, _Open] = {}

    async def seal(self, requests: Sequence[SealRequest]) -> list[tuple[Sealed, ...] | Refusal]:
        """Ciphertexts for each request, in the order of the requests, after their state is stored.

        A request is refused when no session with any of its devices can be had. Call under `lock`.
        """
        wanted = {
            (request.business_id, device.end_id): (request, device)
            for request in requests
            for device in request.devices
        }
        await self._load([key for key in wanted if not self._is_usable(key)])
        await self._begin({key: pair for key, pair in wanted.items() if not self._is_usable(key)})
        while True:
            sealed = [self._seal_one(request) for request in requests]
            touched = [key for key in wanted if key in self._open]
            for key in touched:
                self._count_change(key)
            conflicts = await self._store.save_sessions([self._open[key].stored for key in touched])
            if not conflicts:
                return sealed
            # Another replica opened an answer with one of these sessions. What was sealed from the
            # state before has not left and never will; seal all of it again from what is stored.
            self.forget([(business_id, end_id) for business_id, end_id, _ in conflicts])
            await self._load([(business_id, end_id) for business_id, end_id, _ in conflicts])

    def forget(self, keys: Sequence[DeviceKey]) -> None:
        """Reads these sessions from the database the next time."""
        for key in keys:
            self._open.pop(key, None)

    def forget_contacts(self, contacts: Sequence[tuple[str, str]]) -> None:
        """Reads every session with these (business_id, contact_id) again the next time."""
        gone = set(contacts)
        self.forget(
            [
                key
                for key, open_session in self._open.items()
                if (key[0], open_session.stored.contact_id) in gone
            ]
        )

    def confirm_contacts(self, contacts: Sequence[tuple[str, str]]) -> None:
        """Notes in memory what Store.confirm_contacts notes in the database."""
        opened = set(contacts)
        for (business_id, _), entry in self._open.items():
            if (business_id, entry.stored.contact_id) in opened:
                entry.stored = _changed(entry.stored, unconfirmed_count=0)

    async def retire(self, keys: Sequence[DeviceKey]) -> None:
        """Begins new sessions with these devices the next time: nobody knows what reached them."""
        gone = [
            (key[0], key[1], self._open[key].stored.session_id) for key in keys if key in self._open
        ]
        self.forget(keys)
        await self._store.retire_sessions(gone)

    def _is_usable(self, key: DeviceKey) -> bool:
        entry = self._open.get(key)
        return entry is not None and entry.stored.unconfirmed_count < UNCONFIRMED_MAX

    async def _load(self, keys: Sequence[DeviceKey]) -> None:
        if not keys:
            return
        while len(self._open) + len(keys) > SESSIONS_REMEMBERED_MAX and self._open:
            self._open.pop(next(iter(self._open)))
        for stored in await self._store.sealing_sessions(keys):
            self._open[stored.business_id, stored.end_id] = _Open(
                Session.from_pickle(stored.pickle, self._vault.pickle_key), stored
            )

    async def _begin(self, wanted: dict[DeviceKey, tuple[SealRequest, EndKeys]]) -> None:
        """Begins a session with each device that has none, or only one that went too far alone."""
        by_business: dict[str, list[str]] = defaultdict(list)
        for business_id, end_id in wanted:
            by_business[business_id].append(end_id)
        for business_id, end_ids in by_business.items():
            loaded = await self._accounts.load(business_id)
            if loaded is None:
                continue
            account, _ = loaded
            try:
                bundles = await self._identity.claim_key_bundles(business_id, end_ids)
            except Refusal:
                continue  # Who has a session already need not wait for those who have none.
            for end_id, bundle in bundles.items():
                request, device = wanted[business_id, end_id]
                if bundle.end.curve25519_key != device.curve25519_key:
                    continue
                try:
                    session = account.begin_session(bundle)
                except (KeySignatureInvalid, ValueError):
                    continue
                stored = StoredSession(
                    business_id=business_id,
                    end_id=end_id,
                    session_id=session.session_id,
                    contact_id=request.contact_id,
                    pickle="",
                    version=-1,  # The first change makes it 0, which is a new row.
                    unconfirmed_count=0,
                )
                self._open[business_id, end_id] = _Open(session, stored)

    def _seal_one(self, request: SealRequest) -> tuple[Sealed, ...] | Refusal:
        envelopes = []
        for device in request.devices:
            entry = self._open.get((request.business_id, device.end_id))
            if entry is None:
                continue
            olm_type, ciphertext = entry.session.seal(request.plaintext)
            entry.stored = _changed(
                entry.stored, unconfirmed_count=entry.stored.unconfirmed_count + 1
            )
            envelopes.append(Sealed(device.end_id, olm_type, ciphertext))
        if not envelopes:
            return Refusal(EdgeReasons.KEYS_UNAVAILABLE, retry_after_seconds=5.0)
        return tuple(envelopes)

    def _count_change(self, key: DeviceKey) -> None:
        entry = self._open[key]
        entry.stored = _changed(
            entry.stored,
            pickle=entry.session.pickle(self._vault.pickle_key),
            version=entry.stored.version + 1,
        )


def _changed(
    stored: StoredSession,
    *,
    pickle: str | None = None,
    version: int | None = None,
    unconfirmed_count: int | None = None,
) -> StoredSession:
    return StoredSession(
        business_id=stored.business_id,
        end_id=stored.end_id,
        session_id=stored.session_id,
        contact_id=stored.contact_id,
        pickle=stored.pickle if pickle is None else pickle,
        version=stored.version if version is None else version,
        unconfirmed_count=(
            stored.unconfirmed_count if unconfirmed_count is None else unconfirmed_count
        ),
    )
