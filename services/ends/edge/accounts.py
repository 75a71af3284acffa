"""The Olm accounts of the businesses that this edge stands for, and their keys at identity."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from typing import Final

from services.ends.edge.ports import Identity
from services.ends.edge.store import Store, StoredAccount, VersionConflict
from services.ends.edge.vault import Vault
from services.ends.sealing.accounts import EndAccount
from services.kit.clock import Clock

logger = logging.getLogger(__name__)

ONE_TIME_KEYS_AT_A_TIME: Final = 50
ONE_TIME_KEYS_LEFT_MIN: Final = 20


class Accounts:
    """A business has one account here, made when it first calls and published to identity."""

    def __init__(self, store: Store, identity: Identity, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._identity = identity
        self._vault = vault
        self._clock = clock
        self._published: set[str] = set()
        self._publishing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        # As far as this process can tell: what identity last said, less the sessions begun since.
        self._one_time_keys_left: dict[str, int] = {}

    async def ensure(self, business_id: str) -> None:
        """Makes and publishes the account of a business that calls for the first time.

        Raises Refusal when identity does not take the keys.
        """
        if business_id in self._published:
            return
        async with self._publishing[business_id]:
            stored = await self._store.find_account(business_id)
            if stored is None:
                account = EndAccount.create()
                await self._store.add_account(business_id, account.pickle(self._vault.pickle_key))
            if stored is None or not stored.published:
                await self._publish(business_id, ONE_TIME_KEYS_AT_A_TIME)
            self._published.add(business_id)

    async def load(self, business_id: str) -> tuple[EndAccount, int] | None:
        """A business's account and the version it was read at, or None if there is none."""
        stored = await self._store.find_account(business_id)
        return (self._unpickle(stored), stored.version) if stored else None

    async def replenish(self, business_id: str, sessions_begun: int) -> None:
        """Publishes new one-time keys once too few are left. Raises Refusal.

        `sessions_begun` is how many sessions devices began since the last call. A process that
        does not know how many keys are left learns it by publishing one.
        """
        async with self._publishing[business_id]:
            if business_id not in self._one_time_keys_left:
                await self._publish(business_id, 1)
            else:
                self._one_time_keys_left[business_id] -= sessions_begun
            if self._one_time_keys_left[business_id] < ONE_TIME_KEYS_LEFT_MIN:
                await self._publish(business_id, ONE_TIME_KEYS_AT_A_TIME)

    async def _publish(self, business_id: str, one_time_keys: int) -> None:
        """Makes one-time keys and publishes whatever identity may not have yet. Raises Refusal.

        The account is stored with its new keys before they are published: a key that identity
        hands out must be one that this edge still has. Keys whose publication was not confirmed
        are published again, which identity ignores if it has them, and count as made.
        """
        while True:
            stored = await self._store.find_account(business_id)
            assert stored is not None
            account, version = self._unpickle(stored), stored.version
            try:
                missing = one_time_keys - account.unpublished_count
                if missing > 0:
                    account.generate_one_time_keys(missing)
                    await self._save(business_id, account, version, published=False)
                    version += 1
                left = await self._identity.publish_keys(business_id, account.unpublished_keys())
                account.mark_keys_as_published()
                await self._save(business_id, account, version, published=True)
            except VersionConflict:
                continue  # Another replica published, or a session was begun. Look again.
            self._one_time_keys_left[business_id] = left
            logger.info("business %s: %d one-time keys at identity", business_id, left)
            return

    async def _save(
        self, business_id: str, account: EndAccount, version: int, *, published: bool
    ) -> None:
        await self._store.save_account(
            business_id,
            account.pickle(self._vault.pickle_key),
            version,
            publish_time=self._clock.now() if published else None,
        )

    def _unpickle(self, stored: StoredAccount) -> EndAccount:
        return EndAccount.from_pickle(stored.pickle, self._vault.pickle_key)
