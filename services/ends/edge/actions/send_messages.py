"""Sending: the long action of the edge, from a business's plain message to messaging's promise.

    1. resolve     numbers to contacts, contacts to devices, templates to wordings (remembered)
    2. commit      content, franking key, commitment
    3. screen      policy's clearance, or its evidence
    4. seal        for each device; the ratchet's state is stored before anything leaves
    5. dispatch    messaging's promise: from here on the message is on its way

Steps 1 to 3 run for a few batches at once; 4 and 5 for one batch after the other, because the order
of sealing has to be the order of delivery. Wherever it stops, the same message sent again picks the
road up: policy and messaging answer a repetition with their first answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.ends.edge.actions.prepare import Preparer
from services.ends.edge.contacts import Contacts
from services.ends.edge.domain import (
    BlockedBy,
    Clearance,
    Dispatch,
    Outcome,
    Outgoing,
    Prepared,
    Sent,
    Stopped,
)
from services.ends.edge.errors import EdgeReasons
from services.ends.edge.ports import Messaging, Policy
from services.ends.edge.session_book import SealRequest, SessionBook
from services.ends.sealing import envelopes
from services.kit.clock import Clock
from services.kit.coalesce import Coalescer
from services.kit.errors import Refusal


@dataclass(frozen=True, slots=True)
class _Cleared:
    message: Prepared
    clearance: Clearance


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
        screenings_in_flight_max: int,
    ) -> None:
        self._preparer = preparer
        self._contacts = contacts
        self._policy = policy
        self._sessions = sessions
        self._messaging = messaging
        self._clock = clock
        self._screening: Coalescer[Outgoing, Outcome] = Coalescer(
            self._screen, items_max=batch_items_max, in_flight_max=screenings_in_flight_max
        )
        self._dispatching: Coalescer[_Cleared, Outcome] = Coalescer(
            self._dispatch, items_max=batch_items_max
        )

    async def __call__(self, messages: Sequence[Outgoing]) -> list[Outcome | Exception]:
        """What became of each message; a Refusal (or a fault) stands in the list, not raised."""
        return await self._screening.submit_many(messages)

    async def close(self) -> None:
        """Finishes what is under way and takes no more."""
        await self._screening.close()
        await self._dispatching.close()

    async def _screen(self, messages: list[Outgoing]) -> list[Outcome | Exception]:
        outcomes: list[Outcome | Exception | None] = [None] * len(messages)
        prepared = await self._preparer.prepare(messages)
        ready: list[tuple[int, Prepared]] = []
        for position, item in enumerate(prepared):
            if isinstance(item, Refusal):
                outcomes[position] = item
            else:
                ready.append((position, item))

        cleared: list[tuple[int, _Cleared]] = []
        verdicts = await self._policy.screen([item for _, item in ready]) if ready else []
        for (position, item), verdict in zip(ready, verdicts, strict=True):
            if isinstance(verdict, Clearance):
                cleared.append((position, _Cleared(item, verdict)))
            elif isinstance(verdict, BlockedBy):
                outcomes[position] = Stopped(item.message_id, item.contact_id, verdict)
            else:
                outcomes[position] = verdict

        sent = await self._dispatching.submit_many([item for _, item in cleared])
        for (position, _), outcome in zip(cleared, sent, strict=True):
            outcomes[position] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    async def _dispatch(self, cleared: list[_Cleared]) -> list[Outcome | Exception]:
        outcomes: list[Outcome | Exception | None] = [None] * len(cleared)
        async with self._sessions.lock:
            requests = await self._seal_requests(cleared, outcomes)
            sealed = await self._sessions.seal([request for _, request in requests])
            dispatches: list[tuple[int, Dispatch]] = []
            for (position, _), result in zip(requests, sealed, strict=True):
                if isinstance(result, Refusal):
                    outcomes[position] = result
                    continue
                item = cleared[position]
                dispatches.append(
                    (position, Dispatch(item.clearance, result, item.message.time_to_live))
                )
            try:
                # The promise is made inside this call. What is lost on the way back is found again
                # by sending the same message once more.
                promises = (
                    await self._messaging.accept([item for _, item in dispatches])
                    if dispatches
                    else []
                )
            except Refusal:
                # Nobody knows which of these envelopes will reach a device, or when. Sealing on in
                # the same sessions could put later messages before earlier ones.
                await self._sessions.retire(
                    [
                        (request.business_id, device.end_id)
                        for _, request in requests
                        for device in request.devices
                    ]
                )
                raise
        for (position, _), promise in zip(dispatches, promises, strict=True):
            item = cleared[position]
            outcomes[position] = (
                promise
                if isinstance(promise, Refusal)
                else Sent(
                    item.message.message_id,
                    item.message.contact_id,
                    item.clearance.category,
                    promise,
                )
            )
        return [outcome for outcome in outcomes if outcome is not None]

    async def _seal_requests(
        self, cleared: list[_Cleared], outcomes: list[Outcome | Exception | None]
    ) -> list[tuple[int, SealRequest]]:
        """What to seal for whom; who has no device is refused in `outcomes`."""
        devices = await self._contacts.devices(
            {(item.message.business_id, item.message.contact_id) for item in cleared}
        )
        seal_time_milliseconds = int(self._clock.now().timestamp() * 1000)
        requests: list[tuple[int, SealRequest]] = []
        for position, item in enumerate(cleared):
            message = item.message
            found = devices[message.business_id, message.contact_id]
            if isinstance(found, Refusal):
                outcomes[position] = found
            elif not found:
                outcomes[position] = Refusal(EdgeReasons.NO_DEVICE)
            else:
                plaintext = envelopes.pack(
                    message.content,
                    message.franking_key,
                    message_id=message.message_id,
                    business_id=message.business_id,
                    seal_time_milliseconds=seal_time_milliseconds,
                )
                requests.append(
                    (
                        position,
                        SealRequest(
                            message.business_id, message.contact_id, tuple(found), plaintext
                        ),
                    )
                )
        return requests
