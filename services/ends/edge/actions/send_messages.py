"""Sending: the long action of the edge, from a business's plain message to messaging's promise.

    1. resolve     numbers to contacts, contacts to devices, templates to wordings (remembered)
    2. commit      content, franking key, commitment
    3. screen      policy's clearance, or its evidence
    4. seal        for each device; the ratchet's state is stored before anything leaves
    5. dispatch    messaging's promise: from here on the message is on its way

Steps 1 to 3 may run for several batches at once. The order of sealing has to be the order of
delivery, so one batch is sealed at a time and one is dispatched at a time: while messaging promises
one, the next is sealed and waits until that one has left. Wherever it stops, the same message sent
again picks the road up: policy and messaging answer a repetition with their first answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.ends.edge.actions.prepare import Preparer
from services.ends.edge.contacts import Contacts
from services.ends.edge.domain import (
    BlockedBy,
    Clearance,
    Dispatch,
    EndKeys,
    Outcome,
    Outgoing,
    Prepared,
    Promise,
    Sealed,
    Sent,
    Stopped,
)
from services.ends.edge.errors import EdgeReasons
from services.ends.edge.figures import count_outcomes
from services.ends.edge.ports import Messaging, Policy
from services.ends.edge.session_book import SealRequest, SessionBook
from services.ends.sealing import envelopes
from services.kit import traces
from services.kit.clock import Clock
from services.kit.coalesce import Coalescer
from services.kit.errors import Refusal

# What one request to messaging carries at most, unless a single message is more.
BATCH_BYTES_MAX: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Cleared:
    message: Prepared
    clearance: Clearance
    devices: tuple[EndKeys, ...]


class SendMessages:
    """Sends messages of all businesses in shared batches."""

    def __init__(
        self,
        preparer: Preparer,
        contacts: Contacts,
        policy: Policy,
        sessions: SessionBook,
        messaging: Messaging,
        clock: Clock,
        *,
        batch_items_max: int,
        batches_in_flight_max: int,
    ) -> None:
        self._preparer = preparer
        self._contacts = contacts
        self._policy = policy
        self._sessions = sessions
        self._messaging = messaging
        self._clock = clock
        self._sending: Coalescer[Outgoing, Outcome] = Coalescer(
            self._send,
            items_max=batch_items_max,
            in_flight_max=batches_in_flight_max,
            name="send",
        )
        self._dispatching: Coalescer[_Cleared, Outcome] = Coalescer(
            self._dispatch,
            items_max=batch_items_max,
            in_flight_max=2,  # one is sealed, one is on its way to messaging
            weight=_sealed_bytes,
            weight_max=BATCH_BYTES_MAX,
            name="dispatch",
        )
        self._sealing = asyncio.Lock()
        self._leaving: asyncio.Future[bool] | None = None  # the last batch: whether it has left

    async def __call__(self, messages: Sequence[Outgoing]) -> list[Outcome | Exception]:
        """What became of each message; a Refusal (or a fault) stands in the list, not raised."""
        with traces.step("send", map(_traveller, messages)):
            return await self._sending.submit_many(messages)

    async def close(self) -> None:
        """Finishes what is under way and takes no more."""
        await self._sending.close()
        await self._dispatching.close()

    async def _send(self, messages: list[Outgoing]) -> list[Outcome | Exception]:
        prepared = await self._preparer.prepare(messages)
        judged = iter(await self._judge([item for item in prepared if isinstance(item, Prepared)]))
        screened = [next(judged) if isinstance(item, Prepared) else item for item in prepared]
        sent = iter(
            await self._dispatching.submit_many(
                [result for result in screened if isinstance(result, _Cleared)]
            )
        )
        outcomes = [next(sent) if isinstance(result, _Cleared) else result for result in screened]
        count_outcomes(messages, outcomes)
        return outcomes

    async def _judge(self, messages: Sequence[Prepared]) -> list[_Cleared | Stopped | Refusal]:
        """Policy's verdict on each message and, if that lets it pass, whether a device is there."""
        if not messages:
            return []
        with traces.step("screen", map(_traveller, messages), parent="send"):
            verdicts, devices = await asyncio.gather(
                self._policy.screen(messages),
                self._contacts.devices(
                    {(message.business_id, message.contact_id) for message in messages}
                ),
            )
        return [
            _judged(message, verdict, devices[message.business_id, message.contact_id])
            for message, verdict in zip(messages, verdicts, strict=True)
        ]

    async def _dispatch(self, cleared: list[_Cleared]) -> list[Outcome | Exception]:
        now = self._clock.now()
        requests = [_seal_request(item, now) for item in cleared]
        travellers = (_traveller(item.message) for item in cleared)
        with traces.step("seal", travellers, parent="send"):
            async with self._sealing:
                sealed = await self._sessions.seal(requests)
                if self._leaving is not None and not await asyncio.shield(self._leaving):
                    # Nobody knows what became of the batch before, and its sessions are retired:
                    # what was sealed after it in them must not arrive before it.
                    sealed = await self._sessions.seal(requests)
                leaving = self._leaving = asyncio.get_running_loop().create_future()
        left = False
        try:
            outcomes = await self._accept(cleared, sealed)
            left = True
        finally:
            if not left:
                self._sessions.retire(requests)
            leaving.set_result(left)
        return outcomes

    async def _accept(
        self, cleared: Sequence[_Cleared], sealed: Sequence[tuple[Sealed, ...] | Refusal]
    ) -> list[Outcome | Exception]:
        """The promises are made inside this call. What is lost on the way back is found again by
        sending the same message once more.
        """
        leaving = [
            (_traveller(item.message), Dispatch(item.clearance, copies, item.message.time_to_live))
            for item, copies in zip(cleared, sealed, strict=True)
            if not isinstance(copies, Refusal)
        ]
        with traces.step("dispatch", (traveller for traveller, _ in leaving), parent="send"):
            dispatches = [dispatch for _, dispatch in leaving]
            promises = iter(await self._messaging.accept(dispatches) if dispatches else ())
        return [
            copies if isinstance(copies, Refusal) else _outcome(item, next(promises))
            for item, copies in zip(cleared, sealed, strict=True)
        ]


def _traveller(message: Outgoing | Prepared) -> traces.Traveller:
    return message.business_id, message.message_id


def _judged(
    message: Prepared,
    verdict: Clearance | BlockedBy | Refusal,
    devices: list[EndKeys] | Refusal,
) -> _Cleared | Stopped | Refusal:
    if isinstance(verdict, BlockedBy):
        return Stopped(message.message_id, message.contact_id, verdict)
    if isinstance(verdict, Refusal):
        return verdict
    if isinstance(devices, Refusal):
        return devices
    if not devices:
        return Refusal(EdgeReasons.NO_DEVICE)
    return _Cleared(message, verdict, tuple(devices))


def _sealed_bytes(item: _Cleared) -> int:
    """About how much the message is on its way to messaging."""
    return envelopes.size_class_bytes(len(item.message.content)) * len(item.devices)


def _seal_request(item: _Cleared, now: datetime) -> SealRequest:
    message = item.message
    plaintext = envelopes.pack(
        message.content,
        message.franking_key,
        message_id=message.message_id,
        business_id=message.business_id,
        seal_time_milliseconds=int(now.timestamp() * 1000),
    )
    return SealRequest(message.business_id, message.contact_id, item.devices, plaintext)


def _outcome(item: _Cleared, promise: Promise | Refusal) -> Outcome | Refusal:
    if isinstance(promise, Refusal):
        return promise
    message = item.message
    return Sent(message.message_id, message.contact_id, item.clearance.category, promise)
