"""Owns what a caller is told when a call fails: refusals, faults, and their one form on the wire.

A *refusal* is the caller's to act on and says why, where and what to do. A *fault* is ours: it says
nothing of what is inside, only an incident id under which the log says the rest. Both travel as
`google.rpc.Status` with exactly one `google.rpc.ErrorInfo` (https://google.aip.dev/193).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from hudhud.errors.v1 import refusal_pb2

# The key that grpcio-status and every other gRPC library look under.
STATUS_DETAILS_KEY = "grpc-status-details-bin"

# A status travels in HTTP/2 headers, of which a peer accepts 8 KiB by default (percent-encoding
# makes a letter outside ASCII six characters there). What is longer would lose the whole status.
MESSAGE_LENGTH_MAX = 320
VIOLATION_BYTES_MAX = 3000

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Reason:
    """Why a call was refused. Declared as a member of a `Reasons` class, which names it."""

    __slots__ = ("advice", "description", "domain", "name", "status")

    def __init__(self, status: grpc.StatusCode, description: str, advice: str) -> None:
        """`description` says what was wrong, `advice` what the caller should do."""
        self.name = ""
        self.domain = ""
        self.status = status
        self.description = description
        self.advice = advice

    @property
    def sentence(self) -> str:
        """What was wrong and what to do, for people."""
        return f"{self.description} {self.advice}".strip()

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{self.domain}/{self.name}"


class Reasons:
    """The reasons of one domain: `class PolicyReasons(Reasons, domain="policy.hudhud")`."""

    domain: str

    def __init_subclass__(cls, *, domain: str) -> None:
        cls.domain = domain
        for reason in cls.all():
            reason.domain = domain

    @classmethod
    def all(cls) -> list[Reason]:
        """Every reason, in the order of declaration."""
        return [member for member in vars(cls).values() if isinstance(member, Reason)]


class CommonReasons(Reasons, domain="hudhud"):
    """What any service may answer, whatever its business."""

    INVALID_FIELD = Reason(
        grpc.StatusCode.INVALID_ARGUMENT,
        "Fields of the request break their rules; the violations name each one.",
        "Correct the fields; the same request will be refused again.",
    )
    INVALID_ENCODING = Reason(
        grpc.StatusCode.INVALID_ARGUMENT,
        "The request is not a serialized message of this method.",
        "Build the client from the protos of this release.",
    )
    TOKEN_MISSING = Reason(
        grpc.StatusCode.UNAUTHENTICATED,
        "The call carries no token.",
        'Send the metadata "authorization: Bearer <token>".',
    )
    TOKEN_EXPIRED = Reason(
        grpc.StatusCode.UNAUTHENTICATED,
        "The token has expired.",
        "Get a new token and call again; open a stream again.",
    )
    TOKEN_INVALID = Reason(
        grpc.StatusCode.UNAUTHENTICATED,
        "The token is not one that identity signed.",
        "Get a new token.",
    )
    CALLER_NOT_ALLOWED = Reason(
        grpc.StatusCode.PERMISSION_DENIED,
        "This caller may not make this call, or not for this business.",
        "Call as the one whom the request is about.",
    )
    METHOD_UNKNOWN = Reason(
        grpc.StatusCode.UNIMPLEMENTED,
        "There is no such method here.",
        "Check the address and the release of the protos.",
    )
    SERVICE_UNKNOWN = Reason(
        grpc.StatusCode.NOT_FOUND,
        "The health of a service was asked that is not served here.",
        "Ask for one that reflection lists, or for the empty name: the whole process.",
    )
    DEADLINE_MISSING = Reason(
        grpc.StatusCode.INVALID_ARGUMENT,
        "The call has no deadline.",
        "Set a timeout on every call; streams may go without.",
    )
    DEADLINE_EXCEEDED = Reason(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "The call did not finish within its deadline; what it did meanwhile may stand.",
        "Call again with the same ids and a longer timeout: the first answer comes again.",
    )
    OVERLOADED = Reason(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "The service has as many calls in flight as it takes.",
        "Wait for the retry delay and call again with the same ids.",
    )
    STARTING = Reason(
        grpc.StatusCode.UNAVAILABLE,
        "The service is starting.",
        "Wait for the retry delay and call again.",
    )
    STREAM_MOVED = Reason(
        grpc.StatusCode.UNAVAILABLE,
        "This replica is going away and ended the stream.",
        "Open the stream again; another replica answers.",
    )
    DEPENDENCY_UNAVAILABLE = Reason(
        grpc.StatusCode.UNAVAILABLE,
        "Something that the service needs does not answer.",
        "Wait for the retry delay and call again with the same ids.",
    )
    INTERNAL = Reason(
        grpc.StatusCode.INTERNAL,
        "The service failed.",
        "Call again with the same ids; if it stays, report the incident id.",
    )


class Violation(NamedTuple):
    """A field that breaks its rule."""

    field: str  # the path, for example "messages[3].text"
    description: str


class Quota(NamedTuple):
    """A limit that was reached."""

    subject: str  # whose limit, for example "business:0190…"
    description: str


class Refusal(Exception):
    """The call, or one item of it, cannot be done, and the caller can act on why."""

    def __init__(
        self,
        reason: Reason,
        message: str = "",
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
        quotas: Sequence[Quota] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        """`message` is for people and carries no content and no phone number; without it, the
        reason's description and advice are sent. `retry_after_seconds` says that trying again
        makes sense.
        """
        self.reason = reason
        self.message = (message or reason.sentence)[:MESSAGE_LENGTH_MAX]
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.quotas = tuple(quotas)
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.reason.name}: {self.message}"

    def has(self, *reasons: Reason) -> bool:
        """Whether this is one of `reasons`, also where it came over the wire."""
        return any(
            self.reason.name == reason.name and self.reason.domain == reason.domain
            for reason in reasons
        )

    def to_proto(self) -> refusal_pb2.Refusal:
        """The form for one item of a batch."""
        proto = refusal_pb2.Refusal(
            reason=self.reason.name,
            domain=self.reason.domain,
            message=self.message,
            metadata=self.metadata,
            status_code=self.reason.status.value[0],
        )
        if self.retry_after_seconds is not None:
            proto.retry_delay.FromTimedelta(timedelta(seconds=self.retry_after_seconds))
        return proto

    @classmethod
    def from_proto(cls, proto: refusal_pb2.Refusal) -> Refusal:
        """What `to_proto` made, in this process or in another."""
        return cls(
            received_reason(proto.reason, proto.domain, proto.status_code),
            proto.message,
            metadata=dict(proto.metadata),
            retry_after_seconds=(
                proto.retry_delay.ToTimedelta().total_seconds()
                if proto.HasField("retry_delay")
                else None
            ),
        )

    def to_status(self) -> status_pb2.Status:
        """The form for a whole call: one ErrorInfo, and what else a client can use."""
        status = status_pb2.Status(code=self.reason.status.value[0], message=self.message)
        status.details.append(
            _packed(
                error_details_pb2.ErrorInfo(
                    reason=self.reason.name, domain=self.reason.domain, metadata=self.metadata
                )
            )
        )
        if self.violations:
            bad_request = error_details_pb2.BadRequest()
            for field, description in _fitting(self.violations):
                bad_request.field_violations.add(field=field, description=description)
            status.details.append(_packed(bad_request))
        if self.quotas:
            failure = error_details_pb2.QuotaFailure()
            for subject, description in self.quotas:
                failure.violations.add(subject=subject, description=description)
            status.details.append(_packed(failure))
        if self.retry_after_seconds is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromTimedelta(timedelta(seconds=self.retry_after_seconds))
            status.details.append(_packed(retry))
        return status

    @classmethod
    def from_status(cls, status: status_pb2.Status) -> Refusal | None:
        """What `to_status` made; None where the status names no reason."""
        refusal: Refusal | None = None
        info = error_details_pb2.ErrorInfo()
        bad_request = error_details_pb2.BadRequest()
        failure = error_details_pb2.QuotaFailure()
        retry = error_details_pb2.RetryInfo()
        for detail in status.details:
            if detail.Unpack(info):
                refusal = cls(
                    received_reason(info.reason, info.domain, status.code),
                    status.message,
                    metadata=dict(info.metadata),
                )
            else:
                detail.Unpack(bad_request) or detail.Unpack(failure) or detail.Unpack(retry)
        if refusal is None:
            return None
        refusal.violations = tuple(
            Violation(violation.field, violation.description)
            for violation in bad_request.field_violations
        )
        refusal.quotas = tuple(
            Quota(violation.subject, violation.description) for violation in failure.violations
        )
        if retry.HasField("retry_delay"):
            refusal.retry_after_seconds = retry.retry_delay.ToTimedelta().total_seconds()
        return refusal


def received_reason(name: str, domain: str, status_code: int) -> Reason:
    """A reason that another process declared."""
    reason = Reason(_CODES.get(status_code, grpc.StatusCode.UNKNOWN), "", "")
    reason.name = name
    reason.domain = domain
    return reason


def internal_refusal(incident: UUID) -> Refusal:
    """What the caller learns of a fault."""
    return Refusal(
        CommonReasons.INTERNAL,
        f"The service failed; the log knows more under incident {incident}.",
        metadata={"incident": str(incident)},
    )


def refusal_within(error: BaseException) -> Refusal | None:
    """The refusal that `error` is, or that a task group wrapped; None for a fault."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := refusal_within(one))), None)
    return None


async def abort(context: grpc.aio.ServicerContext[Any, Any], refusal: Refusal) -> NoReturn:
    """End the call of `context` with `refusal`."""
    await context.abort(
        refusal.reason.status,
        refusal.message,
        ((STATUS_DETAILS_KEY, refusal.to_status().SerializeToString()),),
    )


def peer_refusal(error: grpc.aio.AioRpcError) -> Refusal | None:
    """What the peer itself said; None where it could not or did not say anything."""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_DETAILS_KEY:
            with contextlib.suppress(DecodeError):
                return Refusal.from_status(status_pb2.Status.FromString(value))
    return None


def refusal_from_rpc_error(error: grpc.aio.AioRpcError, peer: str = "") -> Refusal:
    """What a failed call to `peer` means: the peer's own refusal, or, where the connection failed
    before the peer could say anything, one of the common reasons.
    """
    refusal = peer_refusal(error)
    if refusal is not None:
        return refusal
    code = error.code()
    metadata = {"peer": peer} if peer else {}
    name = peer or "the service"
    # Whoever cancels here has no status to read. A peer that stops answers CANCELLED to the calls
    # that had reached its machine and not yet its code.
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return Refusal(
            CommonReasons.DEPENDENCY_UNAVAILABLE,
            f"{name} does not answer: {error.details()}",
            metadata=metadata,
            retry_after_seconds=1.0,
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Refusal(
            CommonReasons.DEADLINE_EXCEEDED,
            f"{name} did not answer within the deadline.",
            metadata=metadata,
        )
    # The transport's own words, under the code's name: there is nothing better to say.
    return Refusal(
        received_reason(code.name, "grpc", code.value[0]),
        f"{name}: {error.details()}",
        metadata=metadata,
    )


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _fitting(violations: Sequence[Violation]) -> Iterator[Violation]:
    """As many violations as a status can carry; the last line says how many more there are."""
    left = VIOLATION_BYTES_MAX
    for number, violation in enumerate(violations):
        left -= len(violation.field.encode()) + len(violation.description.encode()) + 8
        if left < 0:
            yield Violation("", f"and {len(violations) - number} more")
            return
        yield violation
