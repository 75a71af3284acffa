"""Owns AppealRefusal."""

from __future__ import annotations

from datetime import datetime

from ml.normalise import normalised_key
from services.kit.clock import new_id
from services.kit.database import Connection, Database
from services.kit.errors import Refusal
from services.policy.domain.labels import (
    APPEALS_OF_A_BUSINESS_MAX,
    PERIOD,
    Appeal,
    Kind,
    Label,
    LabelEntry,
    State,
    name_of_business,
)
from services.policy.domain.messages import Draft
from services.policy.errors import PolicyReasons, appeal_rate_limited
from services.policy.store import labels, verdicts
from services.policy.store.verdicts import Verdict


async def appeal_refusal(database: Database, draft: Draft, statement: str, now: datetime) -> Appeal:
    """The appeal, now or as it was made before.

    Refuses with NOT_BLOCKED, MESSAGE_ID_REUSED and APPEAL_RATE_LIMITED.
    """
    key = draft.key
    name = name_of_business(key.business_id)
    async with database.transaction("appeal_refusal") as connection:
        verdict = (await verdicts.get(connection, [key])).get(key)
        if verdict is None or verdict.expire_time is not None:
            raise Refusal(PolicyReasons.NOT_BLOCKED, metadata={"message_id": str(key.message_id)})
        if verdict.body_digest != draft.digest:
            raise Refusal(
                PolicyReasons.MESSAGE_ID_REUSED, metadata={"message_id": str(key.message_id)}
            )
        await labels.lock_speaker(connection, name)
        entry = await labels.get_appeal(connection, key.business_id, key.message_id)
        if entry is None:
            said = await labels.count_said(connection, name, Kind.APPEAL, now - PERIOD)
            if said >= APPEALS_OF_A_BUSINESS_MAX:
                raise appeal_rate_limited()
            entry = await _appeal(connection, draft, verdict, statement, now)
        return Appeal(entry, await labels.last_review(connection, entry.wording))


async def _appeal(
    connection: Connection, draft: Draft, verdict: Verdict, statement: str, now: datetime
) -> LabelEntry:
    wording = normalised_key(draft.text)
    decided = await labels.last_review(connection, wording)
    entry = LabelEntry(
        new_id(),
        Kind.APPEAL,
        now,
        name_of_business(draft.key.business_id),
        State.WAITING if decided is None else State.STANDING,
        draft.key.business_id,
        draft.key.message_id,
        draft.text,
        wording,
        Label.TRANSACTIONAL,
        verdict.model_version,
        blocked=True,
        reason=statement,
    )
    await labels.insert(connection, entry)
    return entry
