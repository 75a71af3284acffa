"""Owns the reading of contents: from the bytes that an end will seal to what policy judges."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from functools import lru_cache

from google.protobuf.message import DecodeError

from hudhud.content.v1 import content_pb2
from hudhud.policy.v1 import policy_service_pb2
from services.kit import rules
from services.kit.errors import Refusal
from services.kit.pairwise import PairwiseIds
from services.policy.domain.messages import (
    DECLARABLE,
    Category,
    Draft,
    Kind,
    MessageKey,
    TemplateUse,
    body_digest,
)
from services.policy.errors import PolicyReasons
from services.policy.store import ids

TEXT_LENGTH_MAX = 4096
CONTACTS_REMEMBERED_MAX = 50_000


class Reader:
    """Reads the items of a request."""

    def __init__(self, pairwise: PairwiseIds) -> None:
        # Opening an id costs 25 µs; businesses write to the same people again and again.
        self._open = lru_cache(CONTACTS_REMEMBERED_MAX)(pairwise.open)

    def draft(self, item: policy_service_pb2.ScreenItem) -> Draft:
        """What is to be screened. `item` keeps its field rules. Raises Refusal."""
        business_id = ids.parse(item.business_id)
        contact = self._open(business_id, item.contact_id)
        if contact is None:
            raise Refusal(PolicyReasons.UNKNOWN_CONTACT, metadata={"contact_id": item.contact_id})
        if not commits(item.commitment, item.franking_key, item.content):
            raise Refusal(PolicyReasons.COMMITMENT_MISMATCH)
        kind, category = Kind(item.kind), Category(item.category)
        check_category(kind, category)
        content = parse(item.content)
        which = content.WhichOneof("body")
        if (which == "template") != (kind is Kind.TEMPLATE):
            raise malformed("The kind template goes with a template, the other kinds do not.")
        return Draft(
            key=MessageKey(business_id, ids.parse(item.message_id)),
            contact_id=item.contact_id,
            person_id=contact[0],
            kind=kind,
            category=category,
            commitment=item.commitment,
            digest=body_digest(item.contact_id, kind, category, item.commitment),
            text=text_of(content),
            template=template_use(content.template) if which == "template" else None,
        )


def commits(commitment: bytes, franking_key: bytes, content: bytes) -> bool:
    """Whether the key opens the commitment to this content."""
    return hmac.compare_digest(commitment, hmac.digest(franking_key, content, hashlib.sha256))


def check_category(kind: Kind, category: Category) -> None:
    """That kind and declared category go together. Raises Refusal."""
    if kind is not Kind.DIRECT:
        if category is not Category.UNSPECIFIED:
            raise Refusal(PolicyReasons.CATEGORY_NOT_ALLOWED)
    elif category is Category.UNSPECIFIED:
        raise Refusal(PolicyReasons.CATEGORY_REQUIRED)
    elif category not in DECLARABLE:
        raise Refusal(PolicyReasons.CATEGORY_NOT_ALLOWED)


def parse(data: bytes) -> content_pb2.Content:
    """The content, which keeps its field rules. Raises Refusal."""
    try:
        content = content_pb2.Content.FromString(data)
    except DecodeError:
        raise malformed("It is not a serialized hudhud.content.v1.Content.") from None
    which = content.WhichOneof("body")
    if which in ("text", "interactive"):
        body = getattr(content, which).body
        if not body.strip():
            raise Refusal(PolicyReasons.TEXT_EMPTY)
        if len(body) > TEXT_LENGTH_MAX:
            raise Refusal(
                PolicyReasons.TEXT_TOO_LONG,
                f"The text has {len(body):,} characters; at most {TEXT_LENGTH_MAX:,} are allowed.",
                metadata={"length": str(len(body)), "length_max": str(TEXT_LENGTH_MAX)},
            )
    if which == "choice":
        raise malformed("A choice is a person's answer; a business sends none.")
    if found := rules.violations(content):
        raise malformed(f"content.{found[0].field}: {found[0].description}")
    return content


def malformed(message: str) -> Refusal:
    """The refusal that says what is wrong."""
    return Refusal(PolicyReasons.CONTENT_MALFORMED, message)


def template_use(template: content_pb2.Template) -> TemplateUse:
    """The template as the message fills it in. Raises Refusal."""
    try:
        template_id = ids.parse(template.template_id)
    except ValueError:
        raise malformed("content.template.template_id: must be a UUID") from None
    return TemplateUse(
        template_id,
        template.name,
        template.language_code,
        dict(template.parameters),
        template.rendered,
        tuple(button.SerializeToString(deterministic=True) for button in template.buttons),
    )


def text_of(content: content_pb2.Content) -> str:
    """All that a person would read, a line for each part; the main text comes first."""
    which = content.WhichOneof("body")
    if which == "text":
        return content.text.body
    if which == "template":
        return content.template.rendered
    if which == "media":
        return _lines(content.media.caption, content.media.file_name)
    interactive = content.interactive
    lines = [interactive.body, text_of_buttons(interactive.buttons.buttons), interactive.list.label]
    for section in interactive.list.sections:
        lines.append(section.title)
        for row in section.rows:
            lines += [row.label, row.description]
    return _lines(*lines)


def text_of_buttons(buttons: Iterable[content_pb2.Button]) -> str:
    """What they say and where they lead."""
    return _lines(*(line for button in buttons for line in (button.label, button.uri)))


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line)
