"""Owns ScreenMessages: verdicts about messages, in batches that concurrent calls share.

1. read      what was decided before, what the people decided, the templates
2. check     that templates are filled in as they were reviewed
3. judge     the classifier and the rules
4. keep      from here on the verdict stands, whoever asks again
5. answer    a clearance, or what is against the message

What the classifier stopped is explained before it is kept, in batches of its own: that costs more
than judging, and nobody is to wait for the explanations of others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from services.kit import traces
from services.kit.clock import Clock
from services.kit.coalesce import Coalescer
from services.kit.database import Database
from services.kit.errors import Refusal
from services.policy.clearances import LIFETIME, Clearances, Cleared, Permission
from services.policy.domain.evidence import Evidence
from services.policy.domain.messages import Draft, MessageKey, Pair, Preference
from services.policy.domain.verdicts import Bench, Weights, category_of
from services.policy.domain.wordings import Template
from services.policy.errors import PolicyReasons
from services.policy.explanations import explained, explicable
from services.policy.figures import Judged, count_judged
from services.policy.models import Models
from services.policy.readings import read_messages
from services.policy.shadow import Seen
from services.policy.store import verdicts
from services.policy.store.verdicts import Verdict
from services.policy.template_uses import check_use
from services.policy.templates import RememberedTemplates

Outcome: TypeAlias = Cleared | tuple[Evidence, ...]
_NOTHING_DECIDED: Final = Preference()
_Body: TypeAlias = tuple[MessageKey, bytes]  # a message and the digest of what it says


@dataclass(frozen=True, slots=True)
class _Known:
    """What was there when a batch came."""

    verdicts: dict[MessageKey, Verdict]
    preferences: Mapping[Pair, Preference]
    templates: Mapping[UUID, Template]


class _Stopped(NamedTuple):
    """A message against which the classifier found something, before it is said where."""

    draft: Draft
    verdict: Verdict


class ScreenMessages:
    """Screens messages of all businesses in shared batches."""

    def __init__(
        self,
        database: Database,
        models: Models,
        clearances: Clearances,
        weights: Weights,
        clock: Clock,
        *,
        items_max: int,
        in_flight_max: int,
    ) -> None:
        self._database = database
        self._models = models
        self._clearances = clearances
        self._bench = Bench(weights, models.live.model)
        self._clock = clock
        self._items_max = items_max
        self._templates = RememberedTemplates()
        self._screening: Coalescer[Draft, Outcome | _Stopped] = Coalescer(
            self._screen, items_max=items_max, in_flight_max=in_flight_max, name="screen"
        )
        self._explaining: Coalescer[_Stopped, Outcome] = Coalescer(
            self._explain, items_max=items_max, name="explain"
        )

    async def __call__(self, drafts: Sequence[Draft]) -> list[Outcome | Exception]:
        """What became of each: a clearance, or the evidence against it; a Refusal (or a fault)
        stands in the list, not raised.
        """
        outcomes = await self._screening.submit_many(drafts)
        explained = iter(
            await self._explaining.submit_many(
                [outcome for outcome in outcomes if isinstance(outcome, _Stopped)]
            )
        )
        return [
            next(explained) if isinstance(outcome, _Stopped) else outcome for outcome in outcomes
        ]

    async def close(self) -> None:
        """Finish what is under way and take no more."""
        await self._screening.close()
        await self._explaining.close()

    async def _screen(self, drafts: list[Draft]) -> list[Outcome | _Stopped | Exception]:
        keys = ((draft.key.business_id, draft.key.message_id) for draft in drafts)
        with traces.step("judge", keys, parent="screen"):
            return await self._answers(drafts)

    async def _answers(self, drafts: list[Draft]) -> list[Outcome | _Stopped | Exception]:
        now = self._clock.now()
        known = await self._read(drafts, now)
        refusals: dict[_Body, Refusal] = {}
        judged: dict[_Body, Draft] = {}
        for draft in drafts:
            verdict = known.verdicts.get(draft.key)
            if verdict and (verdict.body_digest != draft.digest or verdict.stands(now)):
                continue
            try:
                check_use(draft, known.templates)
            except Refusal as refusal:
                refusals[draft.key, draft.digest] = refusal
            else:
                judged[draft.key, draft.digest] = draft

        stopped: dict[_Body, _Stopped] = {}
        if judged:
            try:
                decided = await self._judge_all(list(judged.values()), known, now)
            except Refusal as refusal:  # The classifier is away. Nothing leaves unscreened.
                refusals |= dict.fromkeys(judged, refusal)
            else:
                of_bodies = dict(zip(judged, decided, strict=True))
                stopped = {
                    body: _Stopped(judged[body], verdict)
                    for body, verdict in of_bodies.items()
                    if explicable(verdict.evidence)
                }
                others = [verdict for body, verdict in of_bodies.items() if body not in stopped]
                known.verdicts.update(await self._keep(others))
        return [
            stopped.get((draft.key, draft.digest)) or self._answer(draft, known.verdicts, refusals)
            for draft in drafts
        ]

    async def _explain(self, batch: list[_Stopped]) -> list[Outcome | Exception]:
        ours = [each.verdict for each in batch]
        # They are stopped in any case: also where the classifier is away by now, or another one is
        # live, which would look elsewhere.
        with self._models.live.lend() as judge, suppress(Refusal):
            if {verdict.model_version for verdict in ours} == {judge.model.version}:
                found = [(each.verdict.evidence, each.draft.text) for each in batch]
                evidence = await explained(judge, found)
                ours = [
                    replace(verdict, evidence=each)
                    for verdict, each in zip(ours, evidence, strict=True)
                ]
        kept = await self._keep(ours)
        return [self._answer(each.draft, kept, {}) for each in batch]

    async def _read(self, drafts: Sequence[Draft], now: datetime) -> _Known:
        async with self._database.connection("read_for_screening") as connection:
            found, preferences = await verdicts.get_with_preferences(
                connection, [(draft.key, draft.pair) for draft in drafts]
            )
            fresh = [
                draft
                for draft in drafts
                if draft.key not in found or not found[draft.key].stands(now)
            ]
            templates = await self._templates.find(connection, [draft.template for draft in fresh])
        return _Known(found, preferences, templates)

    async def _judge_all(
        self, drafts: Sequence[Draft], known: _Known, now: datetime
    ) -> list[Verdict]:
        with self._models.live.lend() as judge:
            bench = self._bench = self._bench.for_model(judge.model)
            readings = await read_messages(judge, bench, drafts, known.templates)
            decided, seen = [], []
            for draft, reading in zip(drafts, readings, strict=True):
                template = known.templates[draft.template.template_id] if draft.template else None
                preference = known.preferences.get(draft.pair, _NOTHING_DECIDED)
                evidence = bench.judge_message(draft, template, reading, preference)
                seen.append(Seen(draft, template, preference, reading, bool(evidence), now))
                decided.append(
                    Verdict(
                        draft.key,
                        draft.digest,
                        category_of(draft, template),
                        evidence,
                        now,
                        None if evidence else now + LIFETIME,
                        model_version=judge.model.version,
                    )
                )
        count_judged(
            Judged(verdict.category, one.reading.text, one.blocked)
            for verdict, one in zip(decided, seen, strict=True)
        )
        if self._models.shadow.takes():
            busy = self._screening.waiting > self._items_max
            self._models.shadow.offer(seen, busy=busy)
        return decided

    async def _keep(self, decided: Sequence[Verdict]) -> dict[MessageKey, Verdict]:
        """The verdicts that stand: ours, or those of whoever was faster."""
        ours: dict[MessageKey, Verdict] = {}
        for verdict in decided:
            ours.setdefault(verdict.key, verdict)
        if not ours:
            return ours
        async with self._database.connection("keep_verdicts") as connection:
            # One statement, and so a transaction by itself. In the order of the key, so that two
            # batches with the same messages do not deadlock.
            kept = await verdicts.insert(connection, sorted(ours.values(), key=lambda one: one.key))
        if len(kept) == len(ours):
            return ours
        lost = [key for key in ours if key not in kept]
        async with self._database.connection("read_verdicts_of_others") as connection:
            return ours | await verdicts.get(connection, lost)

    def _answer(
        self,
        draft: Draft,
        found: Mapping[MessageKey, Verdict],
        refusals: Mapping[_Body, Refusal],
    ) -> Outcome | Exception:
        if refusal := refusals.get((draft.key, draft.digest)):
            return refusal
        verdict = found[draft.key]
        if verdict.body_digest != draft.digest:
            return Refusal(
                PolicyReasons.MESSAGE_ID_REUSED,
                metadata={"message_id": str(draft.key.message_id)},
            )
        if verdict.expire_time is None:
            return verdict.evidence
        template_id = str(draft.template.template_id) if draft.template else ""
        return self._clearances.sign(
            draft,
            Permission(verdict.category, template_id, verdict.screen_time, verdict.expire_time),
        )
