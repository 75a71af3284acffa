"""Owns why policy refuses."""

from __future__ import annotations

from grpc import StatusCode

from services.kit.errors import CommonReasons, Reason, Reasons, Refusal, Violation
from services.policy.domain.sentences import sentence
from services.policy.domain.wordings import Template


class PolicyReasons(Reasons, domain="policy.hudhud"):
    """Every refusal that policy may answer with, besides the common ones. A message that may not be
    sent is no refusal: it is answered with evidence.
    """

    UNKNOWN_TEMPLATE = Reason(
        StatusCode.NOT_FOUND,
        "The business has no such template.",
        "Check the name and the language against ListTemplates, or submit it.",
    )
    TEMPLATE_REJECTED = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The review rejected the template; the metadata says what it found.",
        "Correct the wording and submit it again.",
    )
    TEMPLATE_ID_REUSED = Reason(
        StatusCode.ALREADY_EXISTS,
        "Another template was submitted under this request_id.",
        "Mint a new UUID for a new wording.",
    )
    TEMPLATE_MALFORMED = Reason(
        StatusCode.INVALID_ARGUMENT,
        "The wording cannot be a template.",
        "Correct the wording or its examples as the message says.",
    )
    PARAMETER_MISSING = Reason(
        StatusCode.INVALID_ARGUMENT,
        "A parameter that the template names was not given.",
        "Give every parameter of the template; the metadata names the ones that lack.",
    )
    PARAMETER_UNKNOWN = Reason(
        StatusCode.INVALID_ARGUMENT,
        "A parameter was given that the template does not name.",
        "Leave it out; the metadata names it.",
    )
    TEXT_EMPTY = Reason(
        StatusCode.INVALID_ARGUMENT,
        "The message says nothing: its text is empty or only spaces.",
        "Send a text.",
    )
    TEXT_TOO_LONG = Reason(
        StatusCode.INVALID_ARGUMENT,
        "The text has more than 4,096 characters.",
        "Shorten it, or send it as several messages.",
    )
    CATEGORY_REQUIRED = Reason(
        StatusCode.INVALID_ARGUMENT,
        "A direct message declares what it is for.",
        "Set the category to utility, authentication or marketing.",
    )
    CATEGORY_NOT_ALLOWED = Reason(
        StatusCode.INVALID_ARGUMENT,
        "Only a direct message and a template declare a category, and never service.",
        "Leave the category out, or declare utility, authentication or marketing.",
    )
    CONTENT_MALFORMED = Reason(
        StatusCode.INVALID_ARGUMENT,
        "The content is not what the kind of message asks for.",
        "Build the content as hudhud.content.v1 describes it; the message says what is wrong.",
    )
    COMMITMENT_MISMATCH = Reason(
        StatusCode.INVALID_ARGUMENT,
        "The commitment is not the HMAC-SHA256 of the content under the franking key.",
        "Compute it over exactly the bytes that are sent as content.",
    )
    MESSAGE_ID_REUSED = Reason(
        StatusCode.ALREADY_EXISTS,
        "Another message was screened under this message_id.",
        "Mint a new UUID for a new message.",
    )
    UNKNOWN_CONTACT = Reason(
        StatusCode.NOT_FOUND,
        "This is no contact of the business.",
        "Get the contact_id from ResolveContacts; another business's is of no use.",
    )
    CLEARANCE_INVALID = Reason(
        StatusCode.INVALID_ARGUMENT,
        "Policy did not sign this clearance, or it is not for this person or this content.",
        "Report the message with the clearance, content and key that came with it.",
    )

    MODEL_REFUSED = Reason(
        StatusCode.INVALID_ARGUMENT,
        "This is no release that policy would load; the message and the metadata say why.",
        "Release the model with the key that policy trusts and the libraries that it runs with.",
    )
    MODEL_TOO_LARGE = Reason(
        StatusCode.INVALID_ARGUMENT,
        "The artifact of the model is larger than policy keeps.",
        "Train a smaller one; the metadata names the greatest number of bytes.",
    )
    MODEL_VERSION_REUSED = Reason(
        StatusCode.ALREADY_EXISTS,
        "The same artifact was uploaded with another manifest.",
        "Promote the model that is there, or train one that differs.",
    )
    MODEL_NOT_FOUND = Reason(
        StatusCode.NOT_FOUND,
        "No model of this version was uploaded.",
        "Take a version from ListModels, or upload the model.",
    )
    MODEL_SWEPT = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The model was not used for so long that its artifact is no longer kept.",
        "Upload the same release again.",
    )
    MODEL_IS_LIVE = Reason(
        StatusCode.FAILED_PRECONDITION,
        "The model decides already, and cannot be held against itself.",
        "Put another model in shadow.",
    )
    MODEL_NOT_LIVE = Reason(
        StatusCode.FAILED_PRECONDITION,
        "Not this model is live; the metadata names the one that is, empty for the configured one.",
        "Look at ListReplicas and ListModelChanges before you roll back what is live now.",
    )
    MODEL_NOT_LOADABLE = Reason(
        StatusCode.FAILED_PRECONDITION,
        "A replica cannot load the model; nothing was changed.",
        "The metadata names the replica and says why: mend it, or release the model anew.",
    )
    MODEL_CHANGE_UNDER_WAY = Reason(
        StatusCode.UNAVAILABLE,
        "Another model is just being promoted or rolled back to.",
        "Wait for the retry delay, look at what is live now, and call again if you still want to.",
    )
    NOT_BLOCKED = Reason(
        StatusCode.FAILED_PRECONDITION,
        "Policy blocked no such message of this business.",
        "Appeal with the item exactly as it was screened, within 40 days.",
    )
    APPEAL_RATE_LIMITED = Reason(
        StatusCode.RESOURCE_EXHAUSTED,
        "The business appealed as often as it may in a day.",
        "Wait for the retry delay; one appeal for each wording is enough.",
    )
    APPEAL_NOT_FOUND = Reason(
        StatusCode.NOT_FOUND,
        "The business did not appeal against the verdict on this message, or it was too long ago.",
        "Call AppealRefusal first.",
    )
    SHADOW_NOT_FOUND = Reason(
        StatusCode.NOT_FOUND,
        "The model never was in shadow.",
        "Call ShadowModel first, and let some traffic pass.",
    )


def model_unavailable() -> Refusal:
    """The refusal while the classifier does not answer: nothing leaves unscreened."""
    return Refusal(
        CommonReasons.DEPENDENCY_UNAVAILABLE,
        "The classifier does not answer.",
        metadata={"dependency": "classifier"},
        retry_after_seconds=1.0,
    )


def model_refused(error: Exception) -> Refusal:
    """The refusal of a release; what it says begins with the name of the check that failed."""
    return Refusal(
        PolicyReasons.MODEL_REFUSED,
        str(error),
        metadata={"check": str(error).partition(":")[0]},
    )


def model_not_found(version: str) -> Refusal:
    """The refusal that names it."""
    return Refusal(
        PolicyReasons.MODEL_NOT_FOUND,
        f"No model {version} was uploaded.",
        metadata={"version": version},
    )


def model_swept(version: str) -> Refusal:
    """The refusal that names it."""
    return Refusal(
        PolicyReasons.MODEL_SWEPT,
        f"The artifact of the model {version} is no longer kept.",
        metadata={"version": version},
    )


def shadow_not_found(version: str) -> Refusal:
    """The refusal that names it."""
    return Refusal(
        PolicyReasons.SHADOW_NOT_FOUND,
        f"The model {version} never was in shadow.",
        metadata={"version": version},
    )


def model_not_loadable(version: str, host: str, why: str) -> Refusal:
    """The refusal that names the replica."""
    return Refusal(
        PolicyReasons.MODEL_NOT_LOADABLE,
        f"{host} cannot load {version or 'the configured model'}: {why}",
        metadata={"version": version, "replica": host, "why": why[:200]},
    )


def appeal_rate_limited() -> Refusal:
    """The refusal that says when to come back."""
    return Refusal(PolicyReasons.APPEAL_RATE_LIMITED, retry_after_seconds=3600)


def bad_page_token() -> Refusal:
    """The refusal for a page token that no answer gave."""
    return Refusal(
        CommonReasons.INVALID_FIELD,
        violations=[Violation("page_token", "is not the next_page_token of an answer")],
    )


def unknown_template(name: str, language_code: str) -> Refusal:
    """The refusal that names it."""
    return Refusal(
        PolicyReasons.UNKNOWN_TEMPLATE,
        f"The business has no template {name} in {language_code}.",
        metadata={"template": name, "language_code": language_code},
    )


def template_rejected(template: Template) -> Refusal:
    """The refusal that says what the review found."""
    return Refusal(
        PolicyReasons.TEMPLATE_REJECTED,
        " ".join(sentence(evidence) for evidence in template.evidence),
        metadata={
            "template": template.name,
            "template_id": str(template.template_id),
            "evidence": ", ".join(evidence.code.name for evidence in template.evidence),
        },
    )
