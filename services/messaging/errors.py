"""Owns the reasons for which messaging refuses."""

from grpc import StatusCode

from services.kit.errors import Reason, Reasons


class MessagingReasons(Reasons, domain="messaging.hudhud"):
    """What messaging may answer besides the common reasons and billing's, which it passes on."""

    CLEARANCE_INVALID = Reason(
        StatusCode.PERMISSION_DENIED,
        "The clearance is not one that policy signed.",
        "Have the message screened and send the clearance as it came.",
    )
    CLEARANCE_EXPIRED = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The clearance ended before the message was accepted.",
        "Have the message screened again, under the same message_id.",
    )
    MESSAGE_ID_REUSED = Reason(
        StatusCode.ALREADY_EXISTS,
        "The message_id belongs to another message of this business.",
        "Mint a new message_id for each message; repeat one only with the same body.",
    )
    UNKNOWN_CONTACT = Reason(
        StatusCode.NOT_FOUND,
        "The contact_id is not one by which this business knows a person.",
        "Use the contact_id as it was given to this business.",
    )
    WINDOW_NEVER_OPENED = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The person never wrote to this business, so that there is nothing to reply to.",
        "Send a template or a direct notification instead.",
    )
    WINDOW_CLOSED = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The person last wrote more than 24 hours ago, and no rate is set for a later reply.",
        "Send a template instead, or wait until the person writes again.",
    )
    MESSAGE_NOT_FOUND = Reason(
        StatusCode.NOT_FOUND,
        "This business has no message of this id.",
        "Check the message_id; a message is here once it was accepted.",
    )
