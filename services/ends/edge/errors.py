"""The reasons for which the edge itself refuses; those of other services pass through unchanged."""

from __future__ import annotations

import grpc

from services.kit.errors import Reason, Reasons


class EdgeReasons(Reasons, domain="edge.hudhud"):
    """What a business's program can put right."""

    TEXT_EMPTY = Reason(
        grpc.StatusCode.INVALID_ARGUMENT,
        "The message says nothing: its text is empty or only spaces.",
        "Send a text.",
    )
    KIND_CONTENT_MISMATCH = Reason(
        grpc.StatusCode.INVALID_ARGUMENT,
        "The kind template goes with a template as content, the other kinds with anything else.",
        "Correct the kind or the content.",
    )
    CATEGORY_REQUIRED = Reason(
        grpc.StatusCode.INVALID_ARGUMENT,
        "A direct message declares what it is for.",
        "Set the category to utility, authentication or marketing.",
    )
    CATEGORY_NOT_ALLOWED = Reason(
        grpc.StatusCode.INVALID_ARGUMENT,
        "Only a direct message declares a category: a template has its own, a reply is service.",
        "Leave the category out.",
    )
    PARAMETER_MISSING = Reason(
        grpc.StatusCode.INVALID_ARGUMENT,
        "A parameter that the template names was not given.",
        "Give every parameter of the template; the metadata names the ones that lack.",
    )
    PARAMETER_UNKNOWN = Reason(
        grpc.StatusCode.INVALID_ARGUMENT,
        "A parameter was given that the template does not name.",
        "Leave it out; the metadata names it.",
    )
    NO_DEVICE = Reason(
        grpc.StatusCode.FAILED_PRECONDITION,
        "The person has no device that could receive the message.",
        "Reach the person another way, or try again later.",
    )
    KEYS_UNAVAILABLE = Reason(
        grpc.StatusCode.UNAVAILABLE,
        "A session to the person's devices could not be begun: their keys are missing or unsound.",
        "Try again later with the same message_id.",
    )
