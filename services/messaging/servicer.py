"""Owns the translation between the contract and messaging's actions. It decides nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from hudhud.messaging.v1 import messaging_service_pb2 as pb
from hudhud.messaging.v1.messaging_service_pb2_grpc import MessagingServiceServicer
from services.kit import rules
from services.kit.access import Caller, CallerKind, current_caller
from services.kit.clock import Clock
from services.kit.errors import CommonReasons, Refusal, Violation
from services.messaging.actions.accept_messages import AcceptMessages, Offer
from services.messaging.actions.attach import IN_FLIGHT_MAX, Attach, Delivery
from services.messaging.actions.get_message import GetMessage
from services.messaging.actions.get_window import GetWindow
from services.messaging.actions.record_acks import Ack, AckFrame
from services.messaging.actions.submit_messages import Submission, SubmitMessages
from services.messaging.domain import (
    TIME_TO_LIVE_DEFAULT,
    Disposition,
    Message,
    MessageKey,
)
from services.messaging.envelopes import message_proto, money, timestamp
from services.messaging.store.ids import parse_id
from services.messaging.store.mailboxes import DeviceMailbox, EdgeMailbox


class MessagingServicer(MessagingServiceServicer):
    """hudhud.messaging.v1.MessagingService."""

    def __init__(
        self,
        accept_messages: AcceptMessages,
        submit_messages: SubmitMessages,
        attach: Attach,
        get_message: GetMessage,
        get_window: GetWindow,
        clock: Clock,
    ) -> None:
        self._accept_messages = accept_messages
        self._submit_messages = submit_messages
        self._attach = attach
        self._get_message = get_message
        self._get_window = get_window
        self._clock = clock

    @rules.judged_apart("items")
    async def AcceptMessages(
        self, request: pb.AcceptMessagesRequest, context: Any
    ) -> pb.AcceptMessagesResponse:
        items, refusals = _judged(request.items)
        offers = [
            Offer(item.clearance, item.sender_end_id, item.envelopes, _time_to_live(item))
            for item in items
        ]
        answers = iter(await self._accept_messages(current_caller(), offers))
        return pb.AcceptMessagesResponse(
            outcomes=[
                _accept_outcome(refusals[index] if index in refusals else next(answers))
                for index in range(len(request.items))
            ]
        )

    @rules.judged_apart("items")
    async def SubmitMessages(
        self, request: pb.SubmitMessagesRequest, context: Any
    ) -> pb.SubmitMessagesResponse:
        items, refusals = _judged(request.items)
        person_id, device_id, country_code = _device(current_caller())
        submissions = [
            Submission(
                MessageKey(person_id, parse_id(item.business_id), parse_id(item.message_id)),
                country_code,
                str(device_id),
                item.envelopes,
                item.came_by_link,
            )
            for item in items
        ]
        accept_times = iter(await self._submit_messages(submissions))
        return pb.SubmitMessagesResponse(
            outcomes=[
                pb.SubmitOutcome(refusal=refusals[index].to_proto())
                if index in refusals
                else pb.SubmitOutcome(accept_time=timestamp(next(accept_times)))
                for index in range(len(request.items))
            ]
        )

    # It writes by itself: a generator could not send two kinds of frames as each comes up.
    async def Attach(  # type: ignore[override]
        self, request_iterator: AsyncIterator[pb.AttachRequest], context: Any
    ) -> None:
        start = await anext(request_iterator, None)
        if start is None or start.WhichOneof("frame") != "start":
            raise _misplaced("start", "must be the first frame")
        mailbox = _mailbox(current_caller(), start.start.end_id)

        async def frames() -> AsyncIterator[AckFrame]:
            async for request in request_iterator:
                if request.WhichOneof("frame") != "acks":
                    raise _misplaced("start", "must be the first frame and no other")
                yield _ack_frame(mailbox, request.acks)

        async def send(delivery: Delivery) -> None:
            await context.write(_attach_response(delivery))

        await self._attach(mailbox, start.start.in_flight_max or IN_FLIGHT_MAX, frames(), send)

    async def GetMessage(
        self, request: pb.GetMessageRequest, context: Any
    ) -> pb.GetMessageResponse:
        current_caller().must_act_for(request.business_id)
        message = await self._get_message(
            parse_id(request.business_id), parse_id(request.message_id)
        )
        return pb.GetMessageResponse(message=message_proto(message))

    async def GetWindow(self, request: pb.GetWindowRequest, context: Any) -> pb.GetWindowResponse:
        current_caller().must_act_for(request.business_id)
        window = await self._get_window(parse_id(request.business_id), request.contact_id)
        if window is None:
            return pb.GetWindowResponse(open=False)
        came, answered = window.entry_point_time, window.entry_point_answer_time
        return pb.GetWindowResponse(
            last_person_message_time=timestamp(window.last_person_message_time),
            close_time=timestamp(window.close_time),
            open=window.is_open(self._clock.now()),
            entry_point_time=timestamp(came) if came else None,
            entry_point_answer_time=timestamp(answered) if answered else None,
        )


def _judged(items: Sequence[Any]) -> tuple[list[Any], dict[int, Refusal]]:
    """The items that keep their rules, and by position the refusals of those that do not."""
    sound = []
    refusals: dict[int, Refusal] = {}
    for index, item in enumerate(items):
        found = rules.violations(item)
        if len({envelope.end_id for envelope in item.envelopes}) < len(item.envelopes):
            found.append(Violation("envelopes", "an end has more than one"))
        if found:
            refusals[index] = rules.refusal(found)
        else:
            sound.append(item)
    return sound, refusals


def _time_to_live(item: pb.AcceptItem) -> timedelta:
    if not item.HasField("time_to_live"):
        return TIME_TO_LIVE_DEFAULT
    return timedelta(
        seconds=item.time_to_live.seconds, microseconds=item.time_to_live.nanos // 1000
    )


def _accept_outcome(answer: Message | Refusal) -> pb.AcceptOutcome:
    if isinstance(answer, Refusal):
        return pb.AcceptOutcome(refusal=answer.to_proto())
    return pb.AcceptOutcome(
        accepted=pb.Accepted(
            accept_time=timestamp(answer.accept_time),
            expire_time=timestamp(answer.expire_time),
            price=money(answer.price),
        )
    )


def _device(caller: Caller) -> tuple[UUID, UUID, str]:
    """The person, the device and the country in a device's token."""
    assert caller.person_id is not None
    assert caller.device_id is not None
    return parse_id(caller.person_id), parse_id(caller.device_id), caller.country


def _mailbox(caller: Caller, end_id: str) -> DeviceMailbox | EdgeMailbox:
    """The mailbox that this caller may have."""
    if caller.kind is not CallerKind.DEVICE:
        try:
            return EdgeMailbox(parse_id(end_id))
        except ValueError:
            raise _misplaced("start.end_id", "must be the edge's id, a UUID") from None
    person_id, device_id, _ = _device(caller)
    if end_id not in ("", str(device_id)):
        raise Refusal(
            CommonReasons.CALLER_NOT_ALLOWED,
            "A device may attach to its own mailbox only; it need not name it.",
        )
    return DeviceMailbox(person_id, device_id)


def _ack_frame(mailbox: DeviceMailbox | EdgeMailbox, acks: pb.Acks) -> AckFrame:
    return AckFrame(
        mailbox,
        [
            Ack(ack.envelope_id, Disposition(ack.disposition), ack.refusal_reason)
            for ack in acks.acks
        ],
        [(parse_id(read.business_id), parse_id(read.message_id)) for read in acks.reads],
    )


def _attach_response(delivery: Delivery) -> pb.AttachResponse:
    response = pb.AttachResponse()
    for waiting in delivery.envelopes:
        envelope = response.envelopes.add()
        envelope.MergeFromString(waiting.envelope)
        envelope.envelope_id = waiting.envelope_id
    for frame in delivery.recorded:
        response.confirmed_envelope_ids.extend(ack.envelope_id for ack in frame.acks)
        response.confirmed_read_message_ids.extend(str(message_id) for _, message_id in frame.reads)
    return response


def _misplaced(field: str, description: str) -> Refusal:
    return rules.refusal([Violation(field, description)])
