"""Owns SubmitMessages: what a person writes to a business, and the window that it opens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from hudhud.messaging.v1 import message_pb2
from services.kit.clock import Clock
from services.kit.coalesce import Coalescer
from services.kit.database import Connection, Database
from services.kit.pairwise import PairwiseIds
from services.kit.wakeups import Wakeups
from services.messaging.domain import SUBMISSION_TIME_TO_LIVE, MessageKey
from services.messaging.envelopes import sealed_copies
from services.messaging.store import mailboxes, windows

BATCH_ITEMS_MAX = 256
BATCH_BYTES_MAX = 8 * 1024 * 1024


class Submission(NamedTuple):
    """A message that a person's device hands in."""

    key: MessageKey
    country_code: str  # of the person's number, ISO 3166-1 alpha-2
    device_id: str
    envelopes: Sequence[message_pb2.SealedEnvelope]
    came_by_link: bool


class SubmitMessages:
    """Takes what people write, in batches that concurrent calls share."""

    def __init__(
        self, database: Database, pairwise: PairwiseIds, wakeups: Wakeups, clock: Clock
    ) -> None:
        self._database = database
        self._pairwise = pairwise
        self._wakeups = wakeups
        self._clock = clock
        self._batches: Coalescer[Submission, datetime] = Coalescer(
            self._submit,
            items_max=BATCH_ITEMS_MAX,
            weight=lambda one: sum(len(envelope.ciphertext) for envelope in one.envelopes),
            weight_max=BATCH_BYTES_MAX,
            name="submit",
        )

    async def __call__(self, submissions: Sequence[Submission]) -> list[datetime]:
        """When each was accepted, now or before."""
        accept_times = []
        for outcome in await self._batches.submit_many(submissions):
            if isinstance(outcome, Exception):
                raise outcome
            accept_times.append(outcome)
        return accept_times

    async def _submit(self, batch: Sequence[Submission]) -> list[datetime]:
        now = self._clock.now()
        firsts: dict[MessageKey, Submission] = {}
        for one in batch:
            firsts.setdefault(one.key, one)
        copies = [
            (one.key, now + SUBMISSION_TIME_TO_LIVE, copy)
            for one in firsts.values()
            for copy in sealed_copies(
                one.key,
                self._pairwise.seal(one.key.business_id, one.key.person_id, one.country_code),
                one.device_id,
                now,
                one.envelopes,
            )
        ]

        async def store(connection: Connection) -> dict[MessageKey, datetime]:
            stored = await windows.insert_submissions(connection, firsts, now)
            came_by_link = {key[:2] for key in stored if firsts[key].came_by_link}
            await windows.open_windows(connection, [key[:2] for key in stored], came_by_link, now)
            await mailboxes.insert_for_edges(
                connection, [copy for copy in copies if copy[0] in stored]
            )
            accepted = dict.fromkeys(stored, now)
            if repeated := firsts.keys() - stored:
                accepted |= await windows.read_submissions(connection, repeated)
            return accepted

        # A window is open, and the message waits for the business's edges, together or not at all.
        accepted = await self._database.run("submit_messages", store)
        self._wakeups.wake({copy.end_id for _, _, copy in copies})
        return [accepted[one.key] for one in batch]
