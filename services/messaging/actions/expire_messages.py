"""Owns the giving up of messages that no device fetched in time."""

from __future__ import annotations

from collections import defaultdict

from services.kit.clock import Clock
from services.kit.database import Connection, Database
from services.kit.relay import Relay
from services.messaging.domain import ACK_GRACE, Change, Disposition, MessageKey, Receipt
from services.messaging.figures import count_changes
from services.messaging.receipts import settle
from services.messaging.store import mailboxes

BATCH_COPIES_MAX = 500


class ExpireMessages:
    """Gives up messages, batch by batch; any number of replicas may at once."""

    def __init__(
        self, database: Database, relay: Relay, clock: Clock, *, interval_seconds: float
    ) -> None:
        self._database = database
        self._relay = relay
        self._clock = clock
        self._interval_seconds = interval_seconds

    async def run(self) -> None:
        """Give up what is over, every `interval_seconds`, until cancelled."""
        while True:
            await self()
            await self._clock.sleep(self._interval_seconds)

    async def __call__(self) -> None:
        """Give up everything that is over."""
        while await self._expire_batch():
            pass

    async def _expire_batch(self) -> bool:
        """Give up one batch; return whether there may be more."""
        now = self._clock.now()

        async def expire(connection: Connection) -> tuple[int, list[Change]]:
            taken = await mailboxes.take_expired_from_devices(
                connection, now - ACK_GRACE, BATCH_COPIES_MAX
            )
            receipts: defaultdict[MessageKey, list[Receipt]] = defaultdict(list)
            for copy in taken:
                receipts[copy.key].append(Receipt(copy.device_id, Disposition.NONE))
            changes = await settle(connection, receipts, {}, now)
            deleted = await mailboxes.delete_expired_from_edges(connection, now, BATCH_COPIES_MAX)
            return max(len(taken), deleted), changes

        count, changes = await self._database.run("expire_messages", expire)
        if changes:
            count_changes(changes)
            self._relay.wake()
        return count == BATCH_COPIES_MAX
