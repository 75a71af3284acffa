"""The edge's API in the words of its proto: translates, decides nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC
from typing import Any, Final, cast

from hudhud.billing.v1 import account_pb2
from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.edge.v1 import edge_service_pb2, edge_service_pb2_grpc
from hudhud.policy.v1 import evidence_pb2
from services.ends.edge.actions.appeal_message import AppealMessage
from services.ends.edge.actions.get_appeal import get_appeal
from services.ends.edge.actions.watch_events import WatchEvents
from services.ends.edge.domain import (
    Category,
    Kind,
    Outcome,
    Outgoing,
    Sent,
    Stopped,
    StoredEvent,
    TemplateCall,
)
from services.ends.edge.errors import EdgeReasons
from services.ends.edge.ports import Appeals
from services.kit import rules, traces
from services.kit.access import current_caller
from services.kit.calls import OVERLOADED_RETRY_SECONDS
from services.kit.clock import new_id
from services.kit.coalesce import Overloaded
from services.kit.errors import CommonReasons, Refusal, internal_refusal

logger = logging.getLogger(__name__)

# Frames of one SendMessages stream that are under way at once, until the client has read what
# became of them; its next one waits.
FRAMES_IN_FLIGHT_MAX: Final = 8

Send = Callable[[Sequence[Outgoing]], Awaitable[list[Outcome | Exception]]]


class EdgeServicer(edge_service_pb2_grpc.EdgeServiceServicer):
    """Serves hudhud.edge.v1.EdgeService."""

    def __init__(
        self,
        send: Send,
        watch: WatchEvents,
        appeal: AppealMessage,
        appeals: Appeals,
        ensure_account: Callable[[str], Awaitable[None]],
    ) -> None:
        self._send = send
        self._watch = watch
        self._appeal = appeal
        self._appeals = appeals
        self._ensure_account = ensure_account

    async def SendMessage(
        self, request: edge_service_pb2.SendMessageRequest, context: Any
    ) -> edge_service_pb2.SendMessageResponse:
        business_id = await self._business()
        message = outgoing_of(request.message, business_id)
        [outcome] = await self._send([message])
        if isinstance(outcome, Exception):
            raise _refusal_of(message, outcome)
        return edge_service_pb2.SendMessageResponse(outcome=outcome_proto(outcome))

    # It writes by itself: a generator that is closed cannot end its tasks in good order.
    @rules.judged_apart("messages")
    async def SendMessages(  # type: ignore[override]
        self, requests: AsyncIterator[edge_service_pb2.SendMessagesRequest], context: Any
    ) -> None:
        business_id = await self._business()
        room = asyncio.Semaphore(FRAMES_IN_FLIGHT_MAX)
        writing = asyncio.Lock()

        async def answer(request: edge_service_pb2.SendMessagesRequest) -> None:
            response = await self._send_frame(request, business_id)
            async with writing:
                await context.write(response)
            room.release()  # Not before: a program that does not read must not fill the memory.

        async with asyncio.TaskGroup() as frames:
            async for request in requests:
                await room.acquire()
                frames.create_task(answer(request))

    async def WatchEvents(
        self, request: edge_service_pb2.WatchEventsRequest, context: Any
    ) -> AsyncIterator[edge_service_pb2.WatchEventsResponse]:
        business_id = await self._business()
        async with aclosing(self._watch(business_id, request.after_cursor)) as batches:
            async for events in batches:
                yield edge_service_pb2.WatchEventsResponse(
                    events=[event_proto(event) for event in events]
                )

    async def AppealMessage(
        self, request: edge_service_pb2.AppealMessageRequest, context: Any
    ) -> edge_service_pb2.AppealMessageResponse:
        message = outgoing_of(request.message, await self._business())
        appeal = await self._appeal(message, request.statement)
        return edge_service_pb2.AppealMessageResponse(appeal=appeal)

    async def GetAppeal(
        self, request: edge_service_pb2.GetAppealRequest, context: Any
    ) -> edge_service_pb2.GetAppealResponse:
        appeal = await get_appeal(self._appeals, await self._business(), request.message_id)
        return edge_service_pb2.GetAppealResponse(appeal=appeal)

    async def _business(self) -> str:
        business_id = str(current_caller().business_id)
        await self._ensure_account(business_id)
        return business_id

    async def _send_all(self, messages: Sequence[Outgoing]) -> list[Outcome | Exception]:
        try:
            return await self._send(messages)
        except Overloaded as error:
            return [error] * len(messages)

    async def _send_frame(
        self, request: edge_service_pb2.SendMessagesRequest, business_id: str
    ) -> edge_service_pb2.SendMessagesResponse:
        response = edge_service_pb2.SendMessagesResponse()
        sound: list[Outgoing] = []
        for message in request.messages:
            try:
                rules.check(message)
                sound.append(outgoing_of(message, business_id))
            except Refusal as refusal:
                response.outcomes.add(message_id=message.message_id, refusal=refusal.to_proto())
        outcomes = await self._send_all(sound) if sound else []
        for outgoing, outcome in zip(sound, outcomes, strict=True):
            if isinstance(outcome, Exception):
                response.outcomes.add(
                    message_id=outgoing.message_id,
                    contact_id=outgoing.contact_id,
                    refusal=_refusal_of(outgoing, outcome).to_proto(),
                )
            else:
                response.outcomes.append(outcome_proto(outcome))
        return response


def _refusal_of(message: Outgoing, error: Exception) -> Refusal:
    """What a program is told of one message; a fault of ours is logged and says nothing."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, Overloaded):
        return Refusal(CommonReasons.OVERLOADED, retry_after_seconds=OVERLOADED_RETRY_SECONDS)
    incident = new_id()
    logger.error(
        "a message could not be sent",
        exc_info=error,
        extra={
            "incident": incident,
            "business_id": message.business_id,
            "message_id": message.message_id,
            # The error is that of a batch, and marked as somebody else's.
            **traces.log_ids_in(traces.headers((message.business_id, message.message_id), "send")),
        },
    )
    return internal_refusal(incident)


def outgoing_of(message: edge_service_pb2.OutgoingMessage, business_id: str) -> Outgoing:
    """A message in the edge's words. Raises Refusal for a text that says nothing."""
    body = message.content.WhichOneof("body")
    template = None
    content = b""
    if body == "template":
        given = message.content.template
        template = TemplateCall(given.name, given.language_code, dict(given.parameters))
    else:
        if not readable_text(message.content).strip():
            raise Refusal(EdgeReasons.TEXT_EMPTY)
        content = message.content.SerializeToString(deterministic=True)
    return Outgoing(
        message_id=message.message_id,
        business_id=business_id,
        phone_number=message.phone_number,
        contact_id=message.contact_id,
        kind=Kind(message.kind),
        category=Category(message.category),
        content=content,
        template=template,
        reply_to_message_id=message.content.reply_to_message_id,
        time_to_live=(
            message.time_to_live.ToTimedelta() if message.HasField("time_to_live") else None
        ),
    )


def readable_text(content: content_pb2.Content) -> str:
    """What a content that is not a template shows first: a text, or what stands for one."""
    match content.WhichOneof("body"):
        case "text":
            return content.text.body
        case "media":
            return content.media.caption or content.media.media_type
        case "interactive":
            return content.interactive.body
        case "choice":
            return content.choice.choice_id
    return ""


def outcome_proto(outcome: Outcome) -> edge_service_pb2.SendOutcome:
    """What became of a message, in the proto's words."""
    if isinstance(outcome, Stopped):
        return edge_service_pb2.SendOutcome(
            message_id=outcome.message_id,
            contact_id=outcome.contact_id,
            blocked=edge_service_pb2.Blocked(
                evidence=[
                    evidence_pb2.Evidence.FromString(evidence)
                    for evidence in outcome.blocked.evidence
                ]
            ),
        )
    return _accepted_proto(outcome)


def _accepted_proto(sent: Sent) -> edge_service_pb2.SendOutcome:
    promise = sent.promise
    accepted = edge_service_pb2.Accepted(
        category=cast(clearance_pb2.Category, sent.category),
        price=account_pb2.Money(
            amount_micros=promise.price.amount_micros, currency_code=promise.price.currency_code
        ),
    )
    accepted.accept_time.FromDatetime(promise.accept_time)
    accepted.expire_time.FromDatetime(promise.expire_time)
    return edge_service_pb2.SendOutcome(
        message_id=sent.message_id, contact_id=sent.contact_id, accepted=accepted
    )


def event_proto(stored: StoredEvent) -> edge_service_pb2.Event:
    """An event with its cursor."""
    event = edge_service_pb2.Event.FromString(stored.payload)
    event.cursor = stored.cursor
    event.create_time.FromDatetime(stored.create_time.astimezone(UTC))
    return event
