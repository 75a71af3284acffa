"""Owns judging live traffic a second time, with a model in shadow, out of everybody's way.

It never makes an answer wait: messages that were answered stand in a short line in memory, for a
process that gives way to all others, and when the machine is busy they are dropped and counted. Of
a message nothing is kept but what it adds to counts, and its id where the two models decide
otherwise.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.errors import Refusal
from services.policy.domain.messages import Draft, Preference
from services.policy.domain.shadows import Decisions, Disagreement, Tally, language_of
from services.policy.domain.verdicts import Bench, Readings, Weights, category_of, use_of
from services.policy.domain.wordings import Template
from services.policy.judge import Judge
from services.policy.readings import read_messages
from services.policy.store import shadows

# About a second of full traffic; each message is 4 kB at most.
WAITING_MAX: Final = 2000
READ_AT_A_TIME: Final = 64
FLUSH_SECONDS: Final = 2.0
# For each replica; further ones are counted only.
DISAGREEMENTS_KEPT_MAX: Final = 2000


@dataclass(frozen=True, slots=True)
class Seen:
    """A message as the live model judged it."""

    draft: Draft
    template: Template | None
    preference: Preference
    reading: Readings
    blocked: bool
    screen_time: datetime


@dataclass(slots=True)
class _Watch:
    """One shadow, on this replica."""

    change_id: int
    judge: Judge
    bench: Bench
    share_percent: int
    credit: int = 0
    tally: Tally = field(default_factory=Tally)
    unwritten: list[Disagreement] = field(default_factory=list)
    disagreements_left: int = DISAGREEMENTS_KEPT_MAX
    counted: bool = True  # since it was last written; at first, so that zero is written too

    def drop(self, messages: int) -> None:
        """So many are not judged twice."""
        self.tally.dropped += messages
        self.counted = True


class Shadow:
    """The second opinion. `run` it beside the service."""

    def __init__(
        self, database: Database, weights: Weights, clock: Clock, replica_id: UUID
    ) -> None:
        self._database = database
        self._weights = weights
        self._clock = clock
        self._replica_id = replica_id
        self._watch: _Watch | None = None
        self._waiting: deque[Seen] = deque()
        self._work = asyncio.Event()

    @property
    def change_id(self) -> int | None:
        """The change that began what goes on here; None: nothing does."""
        return self._watch.change_id if self._watch else None

    @property
    def version(self) -> str:
        """The model that judges in shadow here; empty: none."""
        return self._watch.judge.model.version if self._watch else ""

    def begin(self, change_id: int, judge: Judge, share_percent: int) -> None:
        """Judge from now on with this model; or go on, with another share."""
        if self._watch is None or self._watch.change_id != change_id:
            bench = Bench(self._weights, judge.model)
            self._watch = _Watch(change_id, judge, bench, share_percent)
        self._watch.share_percent = share_percent

    async def end(self) -> None:
        """Judge no more; what was counted is written, and what waits counts as dropped."""
        if self._watch is not None:
            watch, self._watch = self._watch, None
            if self._waiting:
                watch.drop(len(self._waiting))
                self._waiting.clear()
            await self._write(watch)

    def takes(self) -> bool:
        """Whether the batch at hand is one of those that are judged twice."""
        if self._watch is None:
            return False
        self._watch.credit += self._watch.share_percent
        if self._watch.credit < 100:
            return False
        self._watch.credit -= 100
        return True

    def offer(self, batch: Sequence[Seen], *, busy: bool) -> None:
        """Messages that were just judged. Nobody waits; when `busy`, they are dropped at once."""
        if self._watch is None:
            return
        room = 0 if busy else WAITING_MAX - len(self._waiting)
        self._waiting.extend(batch[:room])
        if len(batch) > room:
            self._watch.drop(len(batch) - room)
        self._work.set()

    async def run(self) -> None:
        """Judge what waits, and write the counts every two seconds, until cancelled."""
        written = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._work.wait()
            except TimeoutError:
                pass
            watch = self._watch
            if watch is None:
                self._work.clear()
                continue
            batch = [
                self._waiting.popleft() for _ in range(min(READ_AT_A_TIME, len(self._waiting)))
            ]
            if batch:
                await self._judge(watch, batch)
            else:
                self._work.clear()
            # It may have ended while these were judged; then nobody writes them later.
            if watch is not self._watch or time.monotonic() - written >= FLUSH_SECONDS:
                await self._write(watch)
                written = time.monotonic()

    async def _judge(self, watch: _Watch, batch: Sequence[Seen]) -> None:
        templates = {seen.template.template_id: seen.template for seen in batch if seen.template}
        drafts = [seen.draft for seen in batch]
        try:
            with watch.judge.lend() as judge:
                readings = await read_messages(judge, watch.bench, drafts, templates)
        except Refusal:  # The process died, and is being started again.
            watch.drop(len(batch))
            return
        for seen, reading in zip(batch, readings, strict=True):
            self._compare(watch, seen, reading)
        watch.counted = True

    def _compare(self, watch: _Watch, seen: Seen, reading: Readings) -> None:
        draft, template = seen.draft, seen.template
        decisions = Decisions(
            language_of(seen.reading.text),
            use_of(draft, category_of(draft, template)),
            seen.blocked,
            bool(watch.bench.judge_message(draft, template, reading, seen.preference)),
        )
        watch.tally.count(decisions, seen.reading.text, reading.text)
        if decisions.live_blocked != decisions.shadow_blocked and watch.disagreements_left:
            watch.disagreements_left -= 1
            watch.unwritten.append(
                Disagreement(
                    draft.key,
                    decisions.language_code,
                    decisions.use,
                    seen.blocked,
                    seen.screen_time,
                )
            )

    async def _write(self, watch: _Watch) -> None:
        if not watch.counted:
            return
        watch.counted = False
        disagreements, watch.unwritten = watch.unwritten, []
        now = self._clock.now()
        try:
            async with self._database.transaction("write_shadow") as connection:
                await shadows.put_tally(
                    connection, watch.change_id, self._replica_id, watch.tally, now
                )
                if disagreements:
                    await shadows.insert_disagreements(connection, watch.change_id, disagreements)
        except BaseException:
            watch.counted = True
            watch.unwritten = disagreements + watch.unwritten
            raise
