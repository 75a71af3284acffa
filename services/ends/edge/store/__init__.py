"""The edge's tables: businesses' accounts, sessions, and events in their order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from services.ends.edge.domain import NewEvent, StoredEvent
from services.ends.edge.store import accounts, events, sessions
from services.ends.edge.store.accounts import StoredAccount
from services.ends.edge.store.sessions import (
    NEVER_STORED,
    SessionKey,
    StoredSession,
    Use,
)
from services.ends.edge.store.versions import VersionConflict
from services.ends.edge.vault import Vault
from services.kit.database import Connection, Database

__all__ = [
    "NEVER_STORED",
    "SessionKey",
    "Store",
    "StoredAccount",
    "StoredSession",
    "Use",
    "VersionConflict",
]


class Store:
    """The edge's database: each method is one transaction with a label."""

    def __init__(self, database: Database, vault: Vault, replica: str) -> None:
        self._database = database
        self._vault = vault
        self._replica = replica

    # --- Accounts ---------------------------------------------------------------------------------

    async def find_account(self, business_id: str) -> StoredAccount | None:
        """A business's account, or None if the edge never stood for it."""
        async with self._database.connection("find_account") as connection:
            return await accounts.find(connection, business_id)

    async def add_account(self, business_id: str, pickle: str) -> None:
        """Stores a new account, unless another replica was first."""
        async with self._database.connection("add_account") as connection:
            await accounts.add(connection, business_id, pickle)

    async def save_account(
        self, business_id: str, pickle: str, version: int, *, publish_time: datetime | None
    ) -> None:
        """Stores an account that was read at `version`. Raises VersionConflict."""
        async with self._database.transaction("save_account") as connection:
            await accounts.save(connection, business_id, pickle, version)
            if publish_time is not None:
                await accounts.set_publish_time(connection, business_id, publish_time)

    async def known_businesses(self, business_ids: Iterable[str]) -> set[str]:
        """Those of the businesses that this edge stands for."""
        async with self._database.connection("known_businesses") as connection:
            return await accounts.known(connection, business_ids)

    # --- Sessions ---------------------------------------------------------------------------------

    async def sealing_sessions(self, ends: Iterable[tuple[str, str]]) -> list[StoredSession]:
        """This replica's newest live session for each (business_id, end_id) that has one."""
        async with self._database.connection("sealing_sessions") as connection:
            return await sessions.find_for_sealing(connection, ends, self._replica)

    async def opening_sessions(self, ends: Iterable[tuple[str, str]]) -> list[StoredSession]:
        """Every session with these (business_id, end_id), whoever seals with it, newest first."""
        async with self._database.connection("opening_sessions") as connection:
            return await sessions.find_for_opening(connection, ends)

    async def save_sealed(self, uses: Sequence[Use], time: datetime) -> dict[SessionKey, int]:
        """Stores sessions that sealed, each over the version that it was read at.

        Returns, for each that was stored, how many messages are unconfirmed now. The others were
        changed or retired by somebody else in the meantime: read them again and seal again.
        """

        async def save(connection: Connection) -> dict[SessionKey, int]:
            return await sessions.save_sealed(connection, uses, self._replica, time)

        if any(use.session.version == NEVER_STORED for use in uses):
            return await self._database.run("save_sealed", save)
        # One statement, and so a transaction by itself.
        async with self._database.connection("save_sealed") as connection:
            return await save(connection)

    async def retire_sessions(self, ends: Iterable[tuple[str, str]], time: datetime) -> None:
        """Seals nothing in this replica's sessions with these (business_id, end_id) any more; they
        still open what was sealed for them.
        """
        async with self._database.connection("retire_sessions") as connection:
            await sessions.retire(connection, ends, self._replica, time)

    async def retire_contacts(self, contacts: Iterable[tuple[str, str]], time: datetime) -> None:
        """The same for every replica's sessions with these (business_id, contact_id)."""
        async with self._database.connection("retire_contacts") as connection:
            await sessions.retire_contacts(connection, contacts, time)

    async def confirm_devices(self, ends: Iterable[tuple[str, str]]) -> None:
        """Notes that these (business_id, end_id) opened what was sealed for them."""
        async with self._database.connection("confirm_devices") as connection:
            await sessions.confirm(connection, ends)

    # --- Events -----------------------------------------------------------------------------------

    async def add_events(self, new: Sequence[NewEvent], time: datetime) -> None:
        """Stores events in the order given; those that are known already are left as they are."""

        async def add(connection: Connection) -> None:
            await events.add(connection, self._vault, new, time)

        await self._database.run("add_events", add)

    async def receive(
        self,
        new: Sequence[NewEvent],
        time: datetime,
        *,
        uses: Sequence[Use],
        used_accounts: Mapping[str, tuple[str, int]],
    ) -> None:
        """Stores what opening envelopes changed, all or nothing: sessions, accounts, events.

        `used_accounts` has, by business, the pickle and the version it was read at, where opening
        used up a one-time key. Raises VersionConflict, with nothing stored, when one of the
        sessions or accounts had changed in the meantime.
        """

        async def save(connection: Connection) -> None:
            await sessions.save_opened(connection, uses, self._replica, time)
            for business_id, (pickle, version) in sorted(used_accounts.items()):
                await accounts.save(connection, business_id, pickle, version)
            await events.add(connection, self._vault, new, time)

        await self._database.run("receive", save)

    async def known_events(self, keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the (business_id, event_key) that are stored."""
        async with self._database.connection("known_events") as connection:
            return await events.known(connection, keys)

    async def list_events(
        self, business_id: str, after_cursor: int, count_max: int
    ) -> list[StoredEvent]:
        """A business's events after a cursor, in order."""
        async with self._database.connection("list_events") as connection:
            return await events.read(connection, self._vault, business_id, after_cursor, count_max)

    # --- Upkeep -----------------------------------------------------------------------------------

    async def delete_older(self, than: datetime) -> None:
        """Deletes events, and sessions that were retired, before this time."""
        async with self._database.connection("delete_older") as connection:
            await events.delete_older(connection, than)
            await sessions.delete_retired(connection, than)
