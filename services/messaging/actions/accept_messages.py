"""Owns AcceptMessages: the promise that a business's message will be delivered, refused or expire.

Concurrent calls share their batches. Where a batch is cut off, the architecture's table says what
is left and who repairs it; here it is noted between the steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from hudhud.clearance.v1 import clearance_pb2
from hudhud.messaging.v1 import message_pb2
from services.kit import traces
from services.kit.access import Caller
from services.kit.clock import Clock
from services.kit.coalesce import Coalescer
from services.kit.database import Connection, Database
from services.kit.errors import Refusal
from services.kit.wakeups import Wakeups
from services.messaging.clearances import Clearance, Clearances
from services.messaging.domain import (
    RESERVATION_MARGIN,
    Kind,
    Message,
    MessageKey,
    Price,
    SealedCopy,
    State,
    Window,
)
from services.messaging.envelopes import sealed_copies
from services.messaging.errors import MessagingReasons
from services.messaging.figures import count_accepted
from services.messaging.ports import Billing, ReservationRequest
from services.messaging.store import messages, windows

BATCH_ITEMS_MAX = 256
BATCH_BYTES_MAX = 8 * 1024 * 1024
# One batch waits for billing while another is being stored.
BATCHES_IN_FLIGHT_MAX = 2

# A signature takes about 50 µs to verify; after so many, others get their turn.
CHECKED_IN_A_TURN = 32

# Billing's reason that means something else here.
NO_RATE = ("billing.hudhud", "NO_RATE")


class Offer(NamedTuple):
    """A message that a business's end wants accepted."""

    clearance: clearance_pb2.SignedClearance
    sender_end_id: str
    envelopes: Sequence[message_pb2.SealedEnvelope]
    time_to_live: timedelta


class Cleared(NamedTuple):
    """An offer whose clearance is policy's."""

    clearance: Clearance
    offer: Offer

    @property
    def id(self) -> tuple[UUID, UUID]:
        """What the message is known by to its business."""
        return self.clearance.key[1:]

    @property
    def is_reply(self) -> bool:
        """Whether the service window matters."""
        return self.clearance.kind == Kind.REPLY


Answer = Message | Refusal


class AcceptMessages:
    """Accepts messages, in batches that concurrent calls share."""

    def __init__(
        self,
        database: Database,
        clearances: Clearances,
        billing: Billing,
        wakeups: Wakeups,
        clock: Clock,
    ) -> None:
        self._database = database
        self._clearances = clearances
        self._billing = billing
        self._wakeups = wakeups
        self._clock = clock
        self._batches: Coalescer[Cleared, Answer] = Coalescer(
            self._accept,
            items_max=BATCH_ITEMS_MAX,
            in_flight_max=BATCHES_IN_FLIGHT_MAX,
            weight=_bytes,
            weight_max=BATCH_BYTES_MAX,
            name="accept",
        )

    async def __call__(self, caller: Caller, offers: Sequence[Offer]) -> list[Answer]:
        """For each offer the message as it was promised (now or before), or why it is not.

        Raises only where nothing can be said of any of them.
        """
        # 1. Are the clearances policy's, and may the caller act for these businesses?
        checked: list[Cleared | Refusal] = []
        for number, offer in enumerate(offers, start=1):
            checked.append(await self._check(caller, offer))
            if number % CHECKED_IN_A_TURN == 0:
                await asyncio.sleep(0)
        outcomes = iter(
            await self._batches.submit_many([one for one in checked if isinstance(one, Cleared)])
        )
        answers: list[Answer] = []
        for one in checked:
            answer = next(outcomes) if isinstance(one, Cleared) else one
            if isinstance(answer, Exception) and not isinstance(answer, Refusal):
                raise answer
            answers.append(answer)
        return answers

    async def _check(self, caller: Caller, offer: Offer) -> Cleared | Refusal:
        try:
            clearance = await self._clearances.read(offer.clearance)
            caller.must_act_for(clearance.key.business_id)
        except Refusal as refusal:
            return refusal
        return Cleared(clearance, offer)

    async def _accept(self, batch: Sequence[Cleared]) -> list[Answer]:
        with traces.step("accept", (one.id for one in batch), parent="dispatch"):
            return await self._promise(batch)

    async def _promise(self, batch: Sequence[Cleared]) -> list[Answer]:
        now = self._clock.now()
        firsts: dict[tuple[UUID, UUID], Cleared] = {}
        for one in batch:
            firsts.setdefault(one.id, one)

        # 2. What is known of them? A message that is here already was promised and stays so.
        async with self._database.connection("accept_messages.read") as connection:
            answers: dict[tuple[UUID, UUID], Answer] = {
                **await messages.read_messages(connection, firsts)
            }
            opened = await windows.read_windows(
                connection,
                [one.clearance.key[:2] for one in firsts.values() if one.id not in answers],
            )
        candidates: list[tuple[Cleared, Window | None]] = []
        for one in firsts.values():
            if one.id in answers:
                continue
            window = opened.get(one.clearance.key[:2])
            if one.clearance.expire_time <= now:
                answers[one.id] = Refusal(MessagingReasons.CLEARANCE_EXPIRED)
            elif one.is_reply and window is None:
                answers[one.id] = Refusal(MessagingReasons.WINDOW_NEVER_OPENED)
            else:
                candidates.append((one, window))

        # 3. Hold the money. Cut off after this, a reservation is left that ends by itself.
        promises: list[tuple[Cleared, Message]] = []
        awaited: list[tuple[UUID, UUID]] = []
        for (one, window), price in zip(
            candidates, await self._reserve(candidates, now), strict=True
        ):
            if isinstance(price, Refusal):
                is_late = one.is_reply and not (window and window.is_open(now))
                answers[one.id] = _of_window(price) if is_late else price
                continue
            promises.append((one, _message(one, price, now)))
            if window and window.awaits_answer(now):
                awaited.append(one.clearance.key[:2])

        # 4. Store. Once this commits the messages are promised: nothing takes them back any more.
        # What answers a person who came by a link is noted before: cut off between, it comes again.
        if promises:
            copies = [
                (message.key, message.expire_time, copy)
                for one, message in promises
                for copy in _copies(one, now)
            ]
            if awaited:
                # Again where it deadlocks with people who write meanwhile: they hold the same rows.
                await self._database.run(
                    "accept_messages.answer",
                    lambda connection: windows.answer_entry_points(connection, awaited, now),
                )
            async with self._database.connection("accept_messages.store") as connection:
                answers.update(
                    await _store(connection, [message for _, message in promises], copies)
                )

            # 5. Tell the streams of these devices. What gets lost here is found by their next look.
            self._wakeups.wake({copy.end_id for _, _, copy in copies})
        return [_answer(one, answers[one.id]) for one in batch]

    async def _reserve(
        self, candidates: Sequence[tuple[Cleared, Window | None]], now: datetime
    ) -> Sequence[Price | Refusal]:
        if not candidates:
            return []
        requests = [
            ReservationRequest(
                message_id=one.clearance.key.message_id,
                business_id=one.clearance.key.business_id,
                category=one.clearance.category,
                destination_country=one.clearance.country_code,
                # Only a reply depends on it.
                window_open=one.is_reply and window is not None and window.is_open(now),
                expire_time=now + one.offer.time_to_live + RESERVATION_MARGIN,
                entry_point_time=window.entry_point_time if window else None,
                entry_point_answer_time=window.entry_point_answer_time if window else None,
            )
            for one, window in candidates
        ]
        try:
            return await self._billing.create_reservations(requests)
        except Refusal as refusal:
            # Billing does not answer. That says nothing about messages that are here already.
            return [refusal] * len(requests)


async def _store(
    connection: Connection,
    promised: Sequence[Message],
    copies: Sequence[tuple[MessageKey, datetime, SealedCopy]],
) -> dict[tuple[UUID, UUID], Message]:
    """Store messages with their copies; where another batch was first, its message stands."""
    stored = await messages.insert_messages(connection, promised, copies)
    standing = {message.key[1:]: message for message in promised if message.key in stored}
    count_accepted(standing.values())
    lost = [message.key[1:] for message in promised if message.key not in stored]
    if lost:
        standing.update(await messages.read_messages(connection, lost))
    return standing


def _message(one: Cleared, price: Price, now: datetime) -> Message:
    clearance = one.clearance
    return Message(
        key=clearance.key,
        body_sha256=clearance.body_sha256,
        contact_id=clearance.contact_id,
        kind=clearance.kind,
        category=clearance.category,
        state=State.ACCEPTED,
        copies_left=len(one.offer.envelopes),
        price=price,
        accept_time=now,
        update_time=now,
        expire_time=now + one.offer.time_to_live,
    )


def _copies(one: Cleared, now: datetime) -> list[SealedCopy]:
    return sealed_copies(
        one.clearance.key,
        one.clearance.contact_id,
        one.offer.sender_end_id,
        now,
        one.offer.envelopes,
        one.offer.clearance,
    )


def _answer(one: Cleared, answer: Answer) -> Answer:
    """The answer to one of possibly several that have the same message_id."""
    if isinstance(answer, Message) and answer.body_sha256 != one.clearance.body_sha256:
        return Refusal(MessagingReasons.MESSAGE_ID_REUSED)
    return answer


def _of_window(refusal: Refusal) -> Refusal:
    """A late reply that has no rate is refused for the window, whatever billing calls it."""
    if (refusal.reason.domain, refusal.reason.name) == NO_RATE:
        return Refusal(MessagingReasons.WINDOW_CLOSED)
    return refusal


def _bytes(one: Cleared) -> int:
    return sum(len(envelope.ciphertext) for envelope in one.offer.envelopes)
